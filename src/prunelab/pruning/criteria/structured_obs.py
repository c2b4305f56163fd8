"""Structured optimal brain surgeon: units removed one after another, each time those whose consumers miss them least.

With X what a consumer is given (a row for each output that it computes; a convolution's windows), W its weights as a
matrix [out, in x kernel] and P the inverse of X'X / n + ridge, removing the columns B of a unit costs

    tr(W_B [P_BB]^-1 W_B'),    the rise of |X W' - Z|^2 / n once the other columns make up for it,

which they do by W <- W - W_B [P_BB]^-1 P_B:, after which P loses B (Hassibi and Stork 1993; for units, Kurtic et al.
2023, ZipLM, and Meng et al. 2024, OSSCAR). Three things make costs comparable across layers and keep them true:

- A cost is relative to the energy of the consumer's outputs, so that it is the share of them that is lost.
- When a unit goes, its own outputs need no longer be right: its rows leave W, and the energy, of the layers before.
- A unit that is read in several places costs the sum.

The saliency is the place in the order in which units go. What no longer contributes anything goes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph, Layer
from prunelab.graph.watch import check_seen
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import matrices
from prunelab.pruning.grams import Gram, grams

RIDGE = 1e-2
"""Added to X'X / n, relative to its mean diagonal."""
SHARE = 1 / 128
"""The share of the remaining units that is removed between two updates (at least one unit)."""
REDUNDANT = 2.0
"""If a block's joint cost is more than so many times the sum of its units' own, they stood in for one another."""


@torch.no_grad()
def obs(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """A unit's place in the order of removal, from 0: [units of the graph]."""
    readers = _readers(network, graph, calibration)
    left = torch.arange(1, graph.units + 1, device=calibration.images.device)
    order: list[Tensor] = []
    while len(left):
        costs = sum((reader.costs(graph.units) for reader in readers), left.new_zeros(1 + graph.units).double())[left]
        places = costs.sort(stable=True).indices
        count = int((costs == 0).sum()) or max(1, int(SHARE * len(left)))
        while count > 1 and _joint(readers, left[places[:count]]) > REDUNDANT * float(costs[places[:count]].sum()):
            count //= 2
        chosen = left[places[:count]]
        for reader in readers:
            reader.remove(chosen)
        order.append(chosen)
        left = left[places[count:]].sort().values
    score = calibration.images.new_zeros(graph.units)
    if order:
        score[torch.cat(order) - 1] = torch.arange(graph.units, dtype=score.dtype, device=score.device)
    return score


@dataclass(slots=True)
class Reader:
    """A consumer, or one group of a grouped convolution, as far as units are left.

    `weight` [out, columns], `inverse` [columns, columns], `columns` and `rows` their units (0: stays), `energy` [out].
    """

    weight: Tensor
    inverse: Tensor
    columns: Tensor
    rows: Tensor
    energy: Tensor

    @classmethod
    def of(cls, weight: Tensor, gram: Gram, columns: Tensor, rows: Tensor, bias: Tensor | None) -> Reader:
        """With a bias, a column of ones that stays: the bias makes up for a constant."""
        weight, products = weight.double(), gram.products.clone()
        energy = ((weight @ gram.centred(bias is not None)) * weight).sum(1).clamp_min(0)
        if bias is not None:
            weight = torch.cat([weight, weight.new_zeros(len(weight), 1)], 1)
            columns = torch.cat([columns, columns.new_zeros(1)])
        else:
            products = products[:-1, :-1]
        used = (weight != 0).any(0) | (columns == 0)
        weight, products, columns = weight[:, used], products[used][:, used], columns[used]
        scale = products.diagonal().mean().clamp_min(1e-12) if len(products) else products.new_ones(())
        products.diagonal().add_(RIDGE * scale)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(products))
        return cls(weight, inverse, columns, rows, energy)

    @property
    def scale(self) -> float:
        """One over the energy of the outputs that are still needed; 0 where none is."""
        total = float(self.energy.sum())
        return 1 / total if total > 0 else 0.0

    def costs(self, units: int) -> Tensor:
        """The share of the outputs that is lost with each unit: [1 + units], 0 for those not read here."""
        found = self.weight.new_zeros(1 + units)
        order = self.columns.sort(stable=True).indices
        numbers, counts = torch.unique(self.columns, return_counts=True)
        starts = counts.cumsum(0) - counts
        for size in counts.unique().tolist():  # units of as many columns at once
            of_size = (counts == size) & (numbers > 0)
            places = order[starts[of_size].unsqueeze(1) + torch.arange(size, device=order.device)]
            found[numbers[of_size]] = self._lost(places)
        return found * self.scale

    def joint(self, units: Tensor) -> float:
        """The share that is lost with all of the units."""
        return float(self._lost(torch.isin(self.columns, units).nonzero().T).sum()) * self.scale

    def remove(self, units: Tensor) -> None:
        """Without the units: the other columns make up for theirs, and their outputs are no longer needed."""
        needed = ~torch.isin(self.rows, units)
        if not bool(needed.all()):
            self.weight, self.rows, self.energy = self.weight[needed], self.rows[needed], self.energy[needed]
        gone = torch.isin(self.columns, units)
        if not bool(gone.any()):
            return
        stays = ~gone
        across = self.inverse[gone][:, stays]
        made_up = torch.linalg.solve(self.inverse[gone][:, gone], across)
        self.weight = self.weight[:, stays] - self.weight[:, gone] @ made_up
        self.inverse = self.inverse[stays][:, stays] - across.T @ made_up
        self.columns = self.columns[stays]

    def _lost(self, places: Tensor) -> Tensor:
        """tr(W_B [P_BB]^-1 W_B') for each row B [units, columns of a unit] of places: [units]."""
        if places.shape[1] == 1:
            single = places.squeeze(1)
            return self.weight[:, single].square().sum(0) / self.inverse.diagonal()[single]
        outgoing = self.weight.T[places]  # [units, columns of a unit, out]
        blocks = self.inverse[places.unsqueeze(2), places.unsqueeze(1)]
        made_up: Tensor = torch.linalg.solve(blocks, outgoing)
        return (made_up * outgoing).sum((1, 2))


def _joint(readers: Iterable[Reader], units: Tensor) -> float:
    return sum(reader.joint(units) for reader in readers)


def _readers(network: nn.Module, graph: Graph, calibration: Calibration) -> list[Reader]:
    parameters = dict(network.named_parameters())
    consumers = {layer.weight: layer for layer in graph.layers if _reads_units(graph, layer)}
    found = grams(network, graph, calibration, consumers)
    check_seen(graph, {consumers[weight].name for weight in found})
    readers: list[Reader] = []
    for name, parts in found.items():
        layer, weight = consumers[name], parameters[name].detach()
        bias = None if layer.bias is None else parameters[layer.bias].detach()
        kernel = weight[0, 0].numel()
        columns = graph.inputs_of(layer).repeat_interleave(kernel).to(weight.device)
        rows = graph.outputs_of(layer).to(weight.device).chunk(layer.groups)
        every = zip(matrices(weight, layer), parts, rows, strict=True)
        readers += [Reader.of(matrix, gram, columns, own, bias) for matrix, gram, own in every]
    return readers


def _reads_units(graph: Graph, layer: Layer) -> bool:
    if layer.depthwise or not bool(graph.inputs_of(layer).any()):
        return False
    if layer.kind == "transposed":
        raise PrunelabError(
            f"method.score=obs is refused: layer {layer.name} is a transposed convolution, whose inputs cannot be "
            "unfolded; choose a criterion that needs none, or exclude the layers before it with method.exclude"
        )
    return True
