"""Networks as ONNX models, and ONNX Runtime, which runs them. Both need the extra `onnx`; it is imported when used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelab.errors import ExportError
from prunelab.graph.trace import first_line
from prunelab.network.chain import Array, OnArrays, Operator, plain_layers
from prunelab.quiet import quiet

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUT, OUTPUT = "images", "logits"
"""Names of a model's input and output."""
OPSET = 20
"""The version of ONNX's operators (ONNX 1.15, 2023), the first that has GELU."""
IR_VERSION = 9
"""The version of the file format that came with opset 20."""
SPIN_US = 1000
"""How long threads spin for more work after a run: long enough for a call that follows at once, which without it takes
half as long again for a batch of 1. By default it is some 40 ms, and another form's turn comes sooner than that."""


def lacking() -> str | None:
    """Which packages are missing, in words; None if ONNX can be used."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if not missing:
        return None
    return f"ONNX needs the extra onnx (pip install -e '.[onnx]'): missing {', '.join(missing)}"


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
    if layers is not None and any(isinstance(layer, nn.Linear) for layer in layers):
        return _chain(layers, shape)  # torch's exporter takes a second or more, however small the network is
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
    except Exception as error:  # the exporter raises many types of its own
        reason = first_line(error)
        raise ExportError(f"the network cannot be written as ONNX for batches of any size: {reason}") from error
    assert program is not None
    model = program.model_proto
    _remove_notes(model)
    return bytes(model.SerializeToString())


def _chain(layers: Sequence[nn.Module], shape: tuple[int, int, int]) -> bytes:
    """The model of a Flatten and these layers (`prunelab.network.chain.plain_layers`), written operator by operator."""
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, weights = [], []
    layers = [layer for layer in layers if not isinstance(layer, nn.Identity | nn.Dropout)]
    source = INPUT
    for number, layer in enumerate([nn.Flatten(), *layers]):
        target = OUTPUT if number == len(layers) else f"step_{number}"
        if isinstance(layer, nn.Linear):
            parts = {"weight": layer.weight, **({} if layer.bias is None else {"bias": layer.bias})}
            named = {f"{part}_{number}": value.detach().cpu().numpy() for part, value in parts.items()}
            weights += [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in named.items()]
            nodes.append(helper.make_node("Gemm", [source, *named], [target], transB=1))
        else:
            operator, attributes = _elementwise(layer)
            nodes.append(helper.make_node(operator, [source], [target], **attributes))
        source = target
    classes = next(layer.out_features for layer in reversed(layers) if isinstance(layer, nn.Linear))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", classes])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="prunelab", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _elementwise(layer: nn.Module) -> tuple[str, dict[str, Any]]:
    """ONNX's operator for a Flatten or an activation, and its attributes."""
    match layer:
        case nn.Flatten():
            return "Flatten", {"axis": 1}
        case nn.LeakyReLU():
            return "LeakyRelu", {"alpha": float(layer.negative_slope)}
        case nn.GELU():
            return "Gelu", {"approximate": layer.approximate}
        case nn.ReLU():
            return "Relu", {}
        case nn.Tanh() | nn.Sigmoid():
            return type(layer).__name__, {}
    raise AssertionError(f"a chain has no {type(layer).__name__}")


def _remove_notes(model: Any) -> None:
    """Delete the exporter's notes: they hold paths of the machine that it ran on."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


def described(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The model with these texts as its metadata."""
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    return bytes(model.SerializeToString())


class OnnxNetwork(nn.Module):
    """A model in ONNX Runtime, called like any other network on the CPU: images [n, ...] -> logits [n, classes].

    `metadata` are the texts that the model carries. `threads` as in `onnx_runner`.

    Raises:
        ExportError: if ONNX Runtime cannot run the model, or the extra is not installed.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        super().__init__()
        session = _session(content, threads)
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._run = _operator(session)

    def forward(self, images: Tensor) -> Tensor:
        return self._run(images.contiguous())


def onnx_runner(content: bytes, threads: int | None = None) -> Operator:
    """A model in ONNX Runtime on the CPU, as it is timed; with a number of `threads`, or None: as many as torch has.

    Raises:
        ExportError: if ONNX Runtime cannot run the model, or the extra is not installed.
    """
    return _operator(_session(content, threads))


def version() -> str:
    """`onnxruntime 1.32.0`."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _operator(session: Any) -> Operator:
    def run(images: Array) -> Array:
        (logits,) = session.run([OUTPUT], {INPUT: images})
        found: Array = logits
        return found

    return OnArrays(run)


def _session(content: bytes, threads: int | None) -> Any:
    require()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_US))
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own types are not in its public interface
        raise ExportError(f"ONNX Runtime cannot run the model: {first_line(error)}") from error
