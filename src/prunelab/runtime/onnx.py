"""A network as an ONNX model, and ONNX Runtime to run it; both need the extra `onnx`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunelab.errors import ExportError
from prunelab.graph.trace import first_line
from prunelab.network.chain import plain_layers
from prunelab.quiet import quiet
from prunelab.runtime.interface import INPUT, OPSET, OUTPUT

PACKAGES = ("onnx", "onnxruntime", "onnxscript")

SPIN_US = 1000
"""How long threads spin for more work after a run: long enough for a call that follows at once, which without it takes
half as long again for a batch of 1. By default it is some 40 ms, and another form's turn comes sooner than that."""

Images = NDArray[np.float32]
Run = Callable[[Images], Images]


def lacking() -> str | None:
    """What has to be installed before ONNX can be used, in words; None where all of it is there."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if not missing:
        return None
    return f"ONNX needs the extra onnx (pip install -e '.[onnx]'): there is no {', '.join(missing)}"


def require() -> None:
    """Raises:
    ExportError: if the extra `onnx` is not installed.
    """
    if (words := lacking()) is not None:
        raise ExportError(words)


@torch.no_grad()
def onnx_bytes(network: nn.Module, shape: tuple[int, int, int]) -> bytes:
    """A model with one input, `images` float32 [n, *shape], and one output, `logits` [n, classes], for any n.

    BatchNorm is folded into the convolution before it. The network is on the CPU and in evaluation mode.

    Raises:
        ExportError: if the extra is not installed, or the network cannot be expressed in ONNX for any n.
    """
    require()
    layers = plain_layers(network)
    if layers is not None and any(
        isinstance(layer, nn.Linear) for layer in layers
    ):  # torch's exporter takes a second or more, whatever the size of the network
        from prunelab.runtime.onnx_chain import chain_model

        return bytes(chain_model(layers, shape).SerializeToString())
    try:
        with quiet("torch.onnx"), quiet("onnxscript"):
            program = torch.onnx.export(
                network,
                (torch.rand(2, *shape),),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter has many of its own
        raise ExportError(f"the network cannot be written as ONNX for batches of any size: {first_line(error)}") from (
            error
        )
    assert program is not None
    model = program.model_proto
    _plain(model)
    return bytes(model.SerializeToString())


def described(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The model with these texts as its metadata."""
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    return bytes(model.SerializeToString())


def read_metadata(content: bytes) -> dict[str, str]:
    """The texts that a model carries.

    Raises:
        ExportError: if it is no ONNX model, or the extra is not installed.
    """
    return dict(_opened(content, 1).get_modelmeta().custom_metadata_map)


def onnx_runner(content: bytes, threads: int | None = None) -> Run:
    """ONNX Runtime's session of a model on the CPU, as a function; `threads` None: torch's number of them.

    Raises:
        ExportError: if it is no model that ONNX Runtime runs, or the extra is not installed.
    """
    session = _opened(content, threads or torch.get_num_threads())

    def run(images: Images) -> Images:
        (logits,) = session.run([OUTPUT], {INPUT: images})
        found: Images = logits
        return found

    return run


class OnnxNetwork(nn.Module):
    """A model in ONNX Runtime, called like any other network on the CPU: images [n, ...] -> logits [n, classes]."""

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        super().__init__()
        self._run = onnx_runner(content, threads)

    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._run(images.contiguous().numpy()))


def version() -> str:
    """`onnxruntime 1.32.0`."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _opened(content: bytes, threads: int) -> Any:
    require()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own kinds are not in its public interface
        raise ExportError(f"ONNX Runtime cannot run the model: {first_line(error)}") from error


def _plain(model: Any) -> None:
    """Without the exporter's notes, which hold the paths of the machine that it ran on."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
