"""The ONNX model of a chain of linear layers, written operator by operator; imports onnx."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from torch import nn

from prunelab.runtime.interface import INPUT, OPSET, OUTPUT

IR_VERSION = 9
"""The file format that came with opset 20."""
BATCH = "n"


def chain_model(layers: Sequence[nn.Module], shape: tuple[int, int, int]) -> ModelProto:
    """The layers after a Flatten, as `prunelab.network.chain.plain_layers` has them."""
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    layers = [layer for layer in layers if not isinstance(layer, nn.Identity | nn.Dropout)]
    given = INPUT
    for number, layer in enumerate([nn.Flatten(), *layers]):
        gives = OUTPUT if number == len(layers) else f"step_{number}"
        if isinstance(layer, nn.Linear):
            parts = {"weight": layer.weight, **({} if layer.bias is None else {"bias": layer.bias})}
            named = {f"{part}_{number}": value.detach().cpu().numpy() for part, value in parts.items()}
            weights += [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in named.items()]
            nodes.append(helper.make_node("Gemm", [given, *named], [gives], transB=1))
        else:
            nodes.append(_elementwise(layer, given, gives))
        given = gives
    classes = next(layer.out_features for layer in reversed(layers) if isinstance(layer, nn.Linear))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [BATCH, *shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, classes])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="prunelab", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return model


def _elementwise(layer: nn.Module, given: str, gives: str) -> NodeProto:
    match layer:
        case nn.Flatten():
            return helper.make_node("Flatten", [given], [gives], axis=1)
        case nn.LeakyReLU():
            return helper.make_node("LeakyRelu", [given], [gives], alpha=float(layer.negative_slope))
        case nn.GELU():
            return helper.make_node("Gelu", [given], [gives], approximate=layer.approximate)
        case nn.ReLU():
            return helper.make_node("Relu", [given], [gives])
        case nn.Tanh():
            return helper.make_node("Tanh", [given], [gives])
        case nn.Sigmoid():
            return helper.make_node("Sigmoid", [given], [gives])
    raise AssertionError(f"a chain has no {type(layer).__name__}")
