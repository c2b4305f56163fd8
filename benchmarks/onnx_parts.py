"""What the bytes of an ONNX file are spent on."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes: int8 weights; everything else that is stored as numbers (scales, zero points, biases, float weights); the
    metadata; and the rest, which is the graph.
    """

    total: int
    weights: int
    numbers: int
    metadata: int

    @property
    def graph(self) -> int:
        """Operators and the names of the values between them."""
        return self.total - self.weights - self.numbers - self.metadata

    def __str__(self) -> str:
        return (
            f"{self.total:,}, of which int8 weights {self.weights:,}, scales, zero points and biases {self.numbers:,}, "
            f"metadata {self.metadata:,}, graph {self.graph:,}"
        )


def parts_of(content: bytes) -> Parts:
    """The parts of a model that holds all its numbers itself."""
    model = onnx.load_from_string(content)
    sizes = {each.name: onnx.numpy_helper.to_array(each).nbytes for each in model.graph.initializer}
    weights = sum(
        sizes[each.name]
        for each in model.graph.initializer
        if each.data_type == TensorProto.INT8 and len(each.dims) > 1
    )
    metadata = sum(len(each.SerializeToString()) for each in model.metadata_props)
    return Parts(len(content), weights, sum(sizes.values()) - weights, metadata)
