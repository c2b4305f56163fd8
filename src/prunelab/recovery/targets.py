"""What layers are fitted to: their outputs in the dense network, or the sums of outputs that go into a ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph, Layer, Norm, Preactivation
from prunelab.graph.surgery import tensors
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import ROWS, rows_of, sampled

Targets = Mapping[Preactivation, Tensor]
"""For each sum of layers' outputs, or each layer's output by itself, its values in the dense network: [rows, out]."""


@torch.no_grad()
def layer_targets(
    dense: nn.Module, graph: Graph, calibration: Calibration, rows: int = ROWS, together: bool = False
) -> Targets:
    """What layers are fitted to, with at most so many rows. `together`: to the sums that go into a ReLU.

    Layers that are called several times and transposed convolutions are left out.
    """
    sums = graph.preactivations if together else ()
    added = {name for each in sums for name in each.added}
    outputs: dict[str, Tensor] = {}
    inputs: dict[str, Tensor] = {}

    def visit(call: Call) -> Tensor:
        output, name = call.compute(), call.layer.weight
        if name in added:
            inputs[name] = sampled_rows(call.given, call.layer, calibration.seed, rows)
        if call.layer.uses == 1 and call.layer.kind != "transposed":
            outputs[name] = sampled_rows(output, call.layer, calibration.seed, rows)
        return output

    with watching(dense, graph, visit):
        dense(calibration.first(graph).images)
    named = dict(tensors(dense))
    found: dict[Preactivation, Tensor] = {}
    for each in sums:  # a layer inside another module may not be seen
        if outputs.keys() >= set(each.layers) and inputs.keys() >= set(each.added):
            pairs = zip(each.layers, each.norms, strict=True)
            terms = [_normalised(outputs[name], norm, named) for name, norm in pairs]
            found[each] = reduce(torch.add, [*terms, *(inputs[name] for name in each.added)])
    fitted = {name for each in found for name in each.layers}
    alone = {Preactivation((name,), (None,), ()): outputs[name] for name in outputs if name not in fitted}
    return {**found, **alone}


def sampled_rows(values: Tensor, layer: Layer, seed: int, rows: int) -> Tensor:
    """A copy of the sampled rows of a layer's outputs or inputs: [rows, channels]."""
    every = rows_of(values, layer)
    return every[sampled(len(every), seed, rows).to(every.device)]


def affine(norm: Norm | None, named: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """The scale and the shift of a BatchNorm, [channels] each; None without one."""
    if norm is None:
        return None, None
    scale = (named[norm.variance] + norm.epsilon).rsqrt()
    scale = scale if norm.weight is None else scale * named[norm.weight]
    shift = -named[norm.mean] * scale
    return scale, shift if norm.bias is None else shift + named[norm.bias]


def _normalised(values: Tensor, norm: Norm | None, named: Mapping[str, Tensor]) -> Tensor:
    scale, shift = affine(norm, named)
    return values if scale is None or shift is None else values * scale + shift
