"""Neuron merging: what a removed neuron gave its consumers is taken over, scaled, by the kept neuron most like it.

In a consumer with weights W and inputs x, removed neuron j is approximated by c x_k, and c W_:j is added to W_:k. Kim
et al. 2020 take k and c from the neurons' incoming weights. Here they come from the activations, so that it works
across normalisation and for channels: k has the largest cosine over the calibration images, and c = <x_j, x_k> / <x_k,
x_k> is the least-squares scale. With a bias in the consumer both are centred, and the bias takes the difference of
means. Only neurons of one group stand in for one another. No labels and no gradients are used. Where single weights
were removed there is nothing to merge.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunelab.graph.graph import Graph, Layer
from prunelab.pruning.design import matrices
from prunelab.pruning.grams import Gram, grams
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task


class Options(NoOptions):
    """`similarity`: the least cosine of two neurons' activations at which one takes over from the other."""

    similarity: Annotated[float, Field(strict=True, ge=0, le=1, description="a number from 0 to 1")]

    @property
    def comes_first(self) -> bool:
        """A refit has made up for what is gone already."""
        return True


@torch.no_grad()
def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """The pruned network with the dense one's outgoing weights of what is gone added to what stays."""
    graph, kept = pruned.graph, pruned.units_kept
    readers = {
        layer.weight: layer
        for layer in graph.layers
        if not layer.depthwise and layer.kind != "transposed" and bool((~_stays(kept)[graph.inputs_of(layer)]).any())
    }
    if not readers:
        return pruned
    result = pruned.with_network(pruned.network)
    after, dense = dict(result.network.named_parameters()), dict(task.dense.named_parameters())
    for name, parts in grams(task.dense, graph, task.calibration, readers).items():
        layer = readers[name]
        columns = graph.inputs_of(layer).repeat_interleave(dense[name][0, 0].numel())
        biases = [None] * layer.groups if layer.bias is None else list(after[layer.bias].chunk(layer.groups))
        every = zip(parts, matrices(after[name], layer), matrices(dense[name], layer), biases, strict=True)
        for gram, weight, before, bias in every:
            _merge(gram, weight, before, bias, _partners(gram, graph, layer, columns, kept, options.similarity))
    return pruned.with_network(result.network)


def _merge(gram: Gram, weight: Tensor, before: Tensor, bias: Tensor | None, partners: tuple[Tensor, Tensor]) -> None:
    """Add to `weight` [out, columns], in place, `before`'s columns that are gone, at their partners."""
    gone, heirs = (part.to(weight.device) for part in partners)
    products, means = gram.centred(bias is not None), gram.products[:-1, -1]
    scales = products[gone, heirs] / products[heirs, heirs].clamp_min(1e-12)
    weight.index_add_(1, heirs, before[:, gone] * scales.to(weight.dtype))
    if bias is not None:
        bias.add_(before[:, gone] @ (means[gone] - scales * means[heirs]).to(weight.dtype))


def _partners(
    gram: Gram, graph: Graph, layer: Layer, columns: Tensor, kept: Tensor, least: float
) -> tuple[Tensor, Tensor]:
    """Columns of removed units, and for each the same column of the kept unit that takes over: int64 [n], [n]."""
    products = gram.centred(layer.bias is not None).cpu()
    scale = products.diagonal().clamp_min(1e-12).rsqrt()
    cosines = products * scale.unsqueeze(0) * scale.unsqueeze(1)
    gone: list[Tensor] = []
    heirs: list[Tensor] = []
    for group in graph.groups:
        places = {unit: (columns == unit).nonzero().squeeze(1) for unit in range(group.first, group.first + group.size)}
        sizes = {unit: len(found) for unit, found in places.items()}
        for size in sorted(set(sizes.values()) - {0}):  # channels with as many columns: a kernel's, or positions
            units = [unit for unit in places if sizes[unit] == size]
            stays = [unit for unit in units if bool(kept[unit - 1])]
            leaves = [unit for unit in units if not bool(kept[unit - 1])]
            if not stays or not leaves:
                continue
            rows = torch.stack([places[unit] for unit in leaves])
            others = torch.stack([places[unit] for unit in stays])
            alike = torch.stack([cosines[rows[:, at]][:, others[:, at]] for at in range(size)]).mean(0)
            best, chosen = alike.max(1)
            merged = best >= least
            gone.append(rows[merged].flatten())
            heirs.append(others[chosen[merged]].flatten())
    nothing = columns.new_zeros(0)
    return torch.cat([nothing, *gone]), torch.cat([nothing, *heirs])


def _stays(kept: Tensor) -> Tensor:
    """bool [1 + units]: number 0 always does."""
    return torch.cat([kept.new_ones(1), kept]).cpu()
