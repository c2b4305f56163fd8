"""What layers are fitted to: their outputs in the dense network, or the sums of outputs that go into a ReLU."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import reduce
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph, Layer, Norm, Preactivation
from prunelab.graph.surgery import tensors
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import ROWS, channels_last, sampled

Targets = Mapping[Preactivation, Tensor]
"""For each sum of layers' outputs, or each layer's output by itself, its values in the dense network: [rows, out]."""


@torch.no_grad()
def layer_targets(
    dense: nn.Module, graph: Graph, calibration: Calibration, rows: int = ROWS, together: bool = False
) -> Targets:
    """What layers are fitted to, with at most so many rows. `together`: to the sums that go into a ReLU."""
    return observed(dense, graph, calibration.first(graph).images, (calibration.seed, rows), together)[0]


def observed(
    network: nn.Module,
    graph: Graph,
    images: Tensor,
    sample: tuple[int, int],
    together: bool = False,
    cut: Container[str] = (),
) -> tuple[Targets, Any]:
    """What layers give, or `together` the sums that go into a ReLU, and what the network gives for the images.

    `sample`: the seed by which rows are drawn, and how many at most. `cut`: names of the weights of layers through
    which no gradient passes to what comes before. Layers that are called several times and transposed convolutions
    are left out. The result is in execution order.
    """
    sums = graph.preactivations if together else ()
    added = {name for each in sums for name in each.added}
    outputs: dict[str, Tensor] = {}
    inputs: dict[str, Tensor] = {}

    def visit(call: Call) -> Tensor:
        name = call.layer.weight
        given = call.given.detach() if name in cut else call.given
        output = call.compute(given)
        if name in added:
            inputs[name] = sampled_rows(call.given.detach(), call.layer, *sample)
        if call.layer.uses == 1 and call.layer.kind != "transposed":
            outputs[name] = sampled_rows(output, call.layer, *sample)
        return output

    with watching(network, graph, visit):
        result = network(images)
    named = dict(tensors(network))
    found: dict[Preactivation, Tensor] = {}
    for each in sums:  # a layer inside another module may not be seen
        if outputs.keys() >= set(each.layers) and inputs.keys() >= set(each.added):
            pairs = zip(each.layers, each.norms, strict=True)
            terms = [_normalised(outputs[name], norm, named) for name, norm in pairs]
            found[each] = reduce(torch.add, [*terms, *(inputs[name] for name in each.added)])
    fitted = {name for each in found for name in each.layers}
    found |= {Preactivation((name,), (None,), ()): outputs[name] for name in outputs if name not in fitted}
    place = {layer.weight: number for number, layer in enumerate(graph.layers)}
    return dict(sorted(found.items(), key=lambda item: place[item[0].layers[-1]])), result


def sampled_rows(values: Tensor, layer: Layer, seed: int, rows: int) -> Tensor:
    """A copy of the sampled rows of a layer's outputs or inputs: [rows, channels]."""
    values = channels_last(values, layer)
    outside = values.shape[:-1]
    return values[torch.unravel_index(sampled(prod(outside), seed, rows).to(values.device), outside)]


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
