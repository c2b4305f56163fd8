"""Structured optimal brain surgeon: units are removed greedily, always those with the lowest cost to their consumers.

For one consumer, let X be its inputs (a row for each output value; a convolution's windows), W its weights as a matrix
[out, in x kernel], and P the inverse of X'X / n + ridge. Removing the columns B of a unit costs

    tr(W_B [P_BB]^-1 W_B'),    the increase of |X W' - Z|^2 / n after the other columns have compensated for it.

They compensate by W <- W - W_B [P_BB]^-1 P_B:, after which B is removed from P (Hassibi and Stork 1993; for units,
Kurtic et al. 2023, ZipLM, and Meng et al. 2024, OSSCAR). Costs are kept comparable across layers, and up to date:

- A cost is relative to the energy of the consumer's outputs: the fraction of it that is lost.
- The outputs of a removed unit no longer matter: its rows are removed from W and from the energy of its own layer.
- The cost of a unit with several consumers is the sum over them.

The saliency of a unit is its position in the order of removal. Units that contribute nothing are removed first.
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
from prunelab.pruning.design import column_units, matrices
from prunelab.pruning.grams import Gram, add_ridge, grams

SHARE = 1 / 128
"""Share of the remaining units that is removed between two updates of the costs (at least one unit)."""
REDUNDANT = 2.0
"""Units whose joint cost exceeds this multiple of the sum of their costs compensate for one another: remove fewer."""


@torch.no_grad()
def obs(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """The position of each unit in the order of removal, from 0: [units]."""
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
    """A consumer (or one group of a grouped convolution), reduced to the units that are left.

    `weight`: float64 [out, columns]; `inverse`: P, [columns, columns].
    `columns`, `rows`: the unit of each column and of each output, int64, 0 for those that stay.
    `energy`: the mean square of each output, [out]; its variance if there is a bias.
    """

    weight: Tensor
    inverse: Tensor
    columns: Tensor
    rows: Tensor
    energy: Tensor

    @classmethod
    def of(cls, weight: Tensor, gram: Gram, columns: Tensor, rows: Tensor, bias: Tensor | None) -> Reader:
        """Set up a consumer. A bias becomes a column of ones that stays: it compensates for constants."""
        weight, products = weight.double(), gram.products.clone()
        energy = ((weight @ gram.centred(bias is not None)) * weight).sum(1).clamp_min(0)
        if bias is not None:
            weight = torch.cat([weight, weight.new_zeros(len(weight), 1)], 1)
            columns = torch.cat([columns, columns.new_zeros(1)])
        else:
            products = products[:-1, :-1]
        used = (weight != 0).any(0) | (columns == 0)
        weight, products, columns = weight[:, used], products[used][:, used], columns[used]
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(add_ridge(products)))
        return cls(weight, inverse, columns, rows, energy)

    @property
    def scale(self) -> float:
        """1 / energy of the remaining outputs; 0 if there is none."""
        total = float(self.energy.sum())
        return 1 / total if total > 0 else 0.0

    def costs(self, units: int) -> Tensor:
        """The fraction of the outputs' energy lost with each unit: [1 + units], 0 for units not read here."""
        found = self.weight.new_zeros(1 + units)
        order = self.columns.sort(stable=True).indices
        numbers, counts = torch.unique(self.columns, return_counts=True)
        starts = counts.cumsum(0) - counts
        for size in counts.unique().tolist():  # all units with the same number of columns at once
            of_size = (counts == size) & (numbers > 0)
            places = order[starts[of_size].unsqueeze(1) + torch.arange(size, device=order.device)]
            found[numbers[of_size]] = self._lost(places)
        return found * self.scale

    def joint(self, units: Tensor) -> float:
        """The fraction of the outputs' energy lost with all of these units together."""
        return float(self._lost(torch.isin(self.columns, units).nonzero().T).sum()) * self.scale

    def remove(self, units: Tensor) -> None:
        """Remove units in place: the other columns compensate for theirs, and their outputs are dropped."""
        needed = ~torch.isin(self.rows, units)
        if not bool(needed.all()):
            self.weight, self.rows, self.energy = self.weight[needed], self.rows[needed], self.energy[needed]
        gone = torch.isin(self.columns, units)
        if not bool(gone.any()):
            return
        stays = ~gone
        across = self.inverse[gone][:, stays]
        solved = torch.linalg.solve(self.inverse[gone][:, gone], across)
        self.weight = self.weight[:, stays] - self.weight[:, gone] @ solved
        self.inverse = self.inverse[stays][:, stays] - across.T @ solved
        self.columns = self.columns[stays]

    def _lost(self, places: Tensor) -> Tensor:
        """tr(W_B [P_BB]^-1 W_B') for each unit, its columns B a row of `places` [units, columns of a unit]: [units]."""
        if places.shape[1] == 1:
            single = places.squeeze(1)
            return self.weight[:, single].square().sum(0) / self.inverse.diagonal()[single]
        outgoing = self.weight.T[places]  # [units, columns of a unit, out]
        blocks = self.inverse[places.unsqueeze(2), places.unsqueeze(1)]
        solved: Tensor = torch.linalg.solve(blocks, outgoing)
        return (solved * outgoing).sum((1, 2))


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
        columns = column_units(graph, layer).to(weight.device)
        rows = graph.outputs_of(layer).to(weight.device).chunk(layer.groups)
        every = zip(matrices(weight, layer), parts, rows, strict=True)
        readers += [Reader.of(matrix, gram, columns, own, bias) for matrix, gram, own in every]
    return readers


def _reads_units(graph: Graph, layer: Layer) -> bool:
    """Whether the layer is a consumer; a transposed convolution that is one is refused."""
    if layer.depthwise or not bool(graph.inputs_of(layer).any()):
        return False
    if layer.kind == "transposed":
        raise PrunelabError(
            f"method.score=obs is refused: layer {layer.name} is a transposed convolution, whose inputs cannot be "
            "unfolded; choose a criterion that needs none, or exclude the layers before it with method.exclude"
        )
    return True
