"""An ONNX model in int8: static post-training quantization by ONNX Runtime, in QDQ form, per output channel.

A weight is stored as int8 with a scale for each output channel; an activation is rounded to 8 bits of the range (min to
max) that it had on calibration images, so that products are sums of int8 products (Jacob et al. 2018; Wu et al. 2020).
Operators that ONNX Runtime does not quantize stay float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunelab.errors import ExportError
from prunelab.graph.trace import first_line
from prunelab.quiet import quiet
from prunelab.runtime.onnx import INPUT, require

IMAGES = 512
"""Training images that the ranges are taken on."""
AT_ONCE = 64


def quantized(content: bytes, images: NDArray[np.float32]) -> bytes:
    """The int8 form of a float32 model with one input, calibrated on `images` [n, ...].

    Raises:
        ExportError: if ONNX Runtime cannot quantize it, or the extra `onnx` is not installed.
    """
    require()
    _refuse_empty_layers(content)
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._parts = iter([images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            part = next(self._parts, None)
            return None if part is None else {INPUT: part}

    with tempfile.TemporaryDirectory() as folder, quiet("root"):
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(content)
        try:
            quantize_static(
                before,
                after,
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # it raises whatever the failing operator raised
            raise ExportError(f"ONNX Runtime cannot quantize the network: {first_line(error)}") from error
        return after.read_bytes()


def _refuse_empty_layers(content: bytes) -> None:
    """ONNX Runtime finds no range for the weights of a layer that has none."""
    import onnx

    tensors = onnx.load_from_string(content).graph.initializer
    empty = [each.name for each in tensors if len(each.dims) > 1 and 0 in each.dims]
    if empty:
        raise ExportError(f"int8 is refused: pruning left a layer without units, which has no range ({empty[0]})")
