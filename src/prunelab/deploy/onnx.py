"""The ONNX form of a network; needs the extra `onnx`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prunelab.errors import ExportError
from prunelab.network.saved import Card
from prunelab.quiet import quiet

INPUT, OUTPUT = "images", "logits"


def onnx_bytes(network: nn.Module, card: Card) -> bytes:
    """A model with one input, `images` float32 [n, channels, rows, columns], and one output, `logits` [n, classes].

    Raises:
        ExportError: if the extra is not installed.
    """
    try:
        with quiet("torch.onnx"):
            program = torch.onnx.export(
                network,
                (torch.rand(2, *card.shape),),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise _missing(error) from error
    assert program is not None
    model = program.model_proto
    for key, value in card.metadata.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def onnx_runner(content: bytes) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """ONNX Runtime's session of a model, as a function.

    Raises:
        ExportError: if the extra is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from error
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        (logits,) = session.run([OUTPUT], {INPUT: images})
        found: NDArray[np.float32] = logits
        return found

    return run


def _missing(error: ImportError) -> ExportError:
    return ExportError(f"ONNX needs the extra onnx (pip install 'prunelab[onnx]'): {error}")
