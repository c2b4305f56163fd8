"""Neuron merging: each removed neuron is replaced by the remaining neuron with the most similar activation, scaled.

In a consumer with weights W and inputs x, the removed input x_j is approximated by c x_k: c W_:j is added to W_:k. Kim
et al. (2020) derive k and c from the incoming weights. Here they are derived from activations over the calibration
images, which also works for channels and across normalisation: k has the largest cosine similarity with j, and
c = <x_j, x_k> / <x_k, x_k> is the least-squares scale. If the consumer has a bias, activations are centred and the
difference of means is added to the bias. Neurons are only merged within their group. No labels and no gradients are
needed. If single weights were removed, nothing is changed.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunelab.graph.graph import Graph, Layer, by_number
from prunelab.pruning.design import column_units, matrices
from prunelab.pruning.grams import Gram, grams
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task


class Options(NoOptions):
    """`similarity`: the smallest cosine similarity of activations at which neurons are merged."""

    similarity: Annotated[float, Field(strict=True, ge=0, le=1, description="a number from 0 to 1")]

    @property
    def comes_first(self) -> bool:
        """Always true: after another recovery, the remaining weights have already compensated for what is gone."""
        return True


@torch.no_grad()
def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """A copy of the pruned network in which the dense one's outgoing weights of removed units are merged."""
    graph, kept = pruned.graph, pruned.units_kept
    stays = by_number(kept).cpu()
    readers = {
        layer.weight: layer
        for layer in graph.layers
        if not layer.depthwise and layer.kind != "transposed" and not bool(stays[graph.inputs_of(layer)].all())
    }
    if not readers:
        return pruned
    result = pruned.with_network(pruned.network)
    after, dense = dict(result.network.named_parameters()), dict(task.dense.named_parameters())
    for name, parts in grams(task.dense, graph, task.calibration, readers).items():
        layer = readers[name]
        columns = column_units(graph, layer)
        biases = [None] * layer.groups if layer.bias is None else list(after[layer.bias].chunk(layer.groups))
        every = zip(parts, matrices(after[name], layer), matrices(dense[name], layer), biases, strict=True)
        for gram, weight, before, bias in every:
            _merge(gram, weight, before, bias, _partners(gram, graph, layer, columns, kept, options.similarity))
    return pruned.with_network(result.network)


def _merge(gram: Gram, weight: Tensor, before: Tensor, bias: Tensor | None, partners: tuple[Tensor, Tensor]) -> None:
    """Add the removed columns of the dense weight `before` to their partners in `weight` [out, columns], in place."""
    gone, targets = (part.to(weight.device) for part in partners)
    products, means = gram.centred(bias is not None), gram.products[:-1, -1]
    scales = products[gone, targets] / products[targets, targets].clamp_min(1e-12)
    weight.index_add_(1, targets, before[:, gone] * scales.to(weight.dtype))
    if bias is not None:
        bias.add_(before[:, gone] @ (means[gone] - scales * means[targets]).to(weight.dtype))


def _partners(
    gram: Gram, graph: Graph, layer: Layer, columns: Tensor, kept: Tensor, least: float
) -> tuple[Tensor, Tensor]:
    """The columns of merged units, and for each the same column of the unit it is merged into: int64 [n], [n].

    `columns`: the unit of each column, int64; `least`: the smallest cosine similarity.
    """
    products = gram.centred(layer.bias is not None).cpu()
    scale = products.diagonal().clamp_min(1e-12).rsqrt()
    cosines = products * scale.unsqueeze(0) * scale.unsqueeze(1)
    gone: list[Tensor] = []
    targets: list[Tensor] = []
    for group in graph.groups:
        places = {unit: (columns == unit).nonzero().squeeze(1) for unit in range(group.first, group.first + group.size)}
        sizes = {unit: len(found) for unit, found in places.items()}
        for size in sorted(set(sizes.values()) - {0}):  # units with the same number of columns (kernel, positions)
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
            targets.append(others[chosen[merged]].flatten())
    nothing = columns.new_zeros(0)
    return torch.cat([nothing, *gone]), torch.cat([nothing, *targets])
