"""Refit a network's layers in execution order, during a forward pass; layers whose outputs are added fit together.

Several layers are one regression: their inputs side by side, each weight times the scale of its BatchNorm. They are
refitted when the last of them is called. Since the others have already computed their outputs by then, the forward pass
begins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph, Layer, Norm, Preactivation, by_number
from prunelab.graph.surgery import tensors
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import ROWS, design, matrices, row_count, rows_of, sampled
from prunelab.pruning.prune import Pruned
from prunelab.recovery.ridge_regression import refit_matrix

SMALL = 1e-6
"""Scale of a BatchNorm, relative to its largest, below which the weights before it stay as they are."""

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
    summed = {name for each in sums for name in each.layers}
    outputs: dict[str, Tensor] = {}
    inputs: dict[str, Tensor] = {}

    def visit(call: Call) -> Tensor:
        output, name = call.compute(), call.layer.weight
        if name in added:
            inputs[name] = _rows(call.given, call.layer, calibration.seed, rows)
        if call.layer.uses == 1 and call.layer.kind != "transposed":
            outputs[name] = _rows(output, call.layer, calibration.seed, rows)
        return output

    with watching(dense, graph, visit):
        dense(calibration.first(graph).images)
    found = {Preactivation((name,), (None,), ()): values for name, values in outputs.items() if name not in summed}
    named = dict(tensors(dense))
    for each in sums:
        if all(name in outputs for name in each.layers) and all(name in inputs for name in each.added):
            terms = (_normalised(outputs[name], norm, named) for name, norm in zip(each.layers, each.norms, strict=True))
            found[each] = _sum([*terms, *(inputs[name] for name in each.added)])
    return found


@torch.no_grad()
def refit(
    pruned: Pruned, targets: Targets, calibration: Calibration, ridge: float, rows: int = ROWS, rounds: int = 0
) -> Pruned:
    """A copy of the pruned network with all remaining weights and biases refitted on the calibration images.

    `targets`: from `layer_targets` with the same number of rows. `rounds`: of fitting to what ReLUs let through.
    """
    images = calibration.first(pruned.graph).images
    network = pruned.with_network(pruned.network).network
    fit = _Refit(pruned, network, targets, (calibration.seed, rows), ridge, rounds)
    while fit.again:
        fit.begin()
        with watching(network, pruned.graph, fit.visit), suppress(_Again):
            network(images)
    return pruned.with_network(network)


class _Again(BaseException):  # so that no network takes it for an error of its own
    """The forward pass has to begin again."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A layer of a sum, split into its groups.

    `given`: its inputs, [rows, in x kernel]. `weights`: matrices [out, in x kernel] (views); `allowed`: which of their
    entries remain, bool. `scale`, `shift`, [out]: the sum has scale x (inputs x weights) + shift. `scale` is None for 1.
    """

    layer: Layer
    norm: Norm | None
    given: list[Tensor]
    weights: list[Tensor]
    allowed: list[Tensor]
    scale: Tensor | None
    shift: Tensor | None

    @property
    def bias(self) -> str | None:
        """The name of the parameter that is added to the sum as it is."""
        return self.norm.bias if self.norm else self.layer.bias


class _Refit:
    def __init__(
        self, pruned: Pruned, network: nn.Module, targets: Targets, sample: tuple[int, int], ridge: float, rounds: int
    ) -> None:
        self.graph, self.mask, self.stays = pruned.graph, pruned.mask, by_number(pruned.units_kept)
        self.named, self.targets = dict(tensors(network)), targets
        self.sample, self.ridge, self.rounds = sample, ridge, rounds
        self.of = {name: each for each in targets for name in each.layers}
        self.added = {name for each in targets for name in each.added}
        self.fitted: set[Preactivation] = set()
        self.again = True

    def begin(self) -> None:
        """Before each forward pass."""
        self.again = False
        self.whole = True  # nothing has been removed so far, so the layer's inputs are those of the dense network
        self.inputs: dict[str, Tensor] = {}
        self.terms: dict[str, _Term] = {}

    def visit(self, call: Call) -> Tensor:
        """Refit the layer if it is time to, and compute its output."""
        name, each = call.layer.weight, self.of.get(call.layer.weight)
        weight = self.named[name]
        mask = self.mask.get(name, torch.ones_like(weight, dtype=torch.bool))
        self.whole = self.whole and bool(mask.movedim(call.layer.outputs_dim, 0)[self._outputs(call.layer)].all())
        if name in self.added:
            self.inputs[name] = _rows(call.given, call.layer, *self.sample)
        if each is not None and each not in self.fitted and not (self.whole and len(each.layers) == 1):
            self.terms[name] = self._term(call, each.norms[each.layers.index(name)], mask)
            if name == each.layers[-1]:
                terms = [self.terms.pop(other) for other in each.layers]
                self.fitted.add(each)
                if not self.whole:
                    self._fit(each, terms)
                    if len(terms) > 1:
                        self.again = True
                        raise _Again
        return call.compute()

    def _outputs(self, layer: Layer) -> Tensor:
        """Which outputs of a layer remain, bool [out]."""
        return self.stays[self.graph.outputs_of(layer)].to(self.named[layer.weight].device)

    def _term(self, call: Call, norm: Norm | None, mask: Tensor) -> _Term:
        layer = call.layer
        given = design(call, sampled(row_count(call), *self.sample))
        scale, shift = _affine(norm, self.named)
        if layer.bias is not None:
            own = self.named[layer.bias]
            shift = own.clone() if scale is None or shift is None else shift + scale * own
        weights, allowed = matrices(self.named[layer.weight], layer), matrices(mask, layer)
        return _Term(layer, norm, given, weights, allowed, scale, shift)

    def _fit(self, each: Preactivation, terms: list[_Term]) -> None:
        """Fit the layers of a sum together, in place."""
        first, target, outputs = terms[0].layer, self.targets[each], self._outputs(terms[0].layer)
        shifts = [term.shift for term in terms if term.shift is not None]
        carrier = next((term.bias for term in terms if term.bias is not None), None)
        beside = [self.inputs[name] for name in each.added]
        constant = _sum(shifts).clone() if shifts else None
        if carrier is None and constant is not None:  # it cannot be fitted
            beside, constant = [*beside, constant.expand_as(target)], None
        added = _sum(beside) if beside else None
        target = target if added is None else target - added
        for group in range(first.groups):
            parts = [_scaled(term, group) for term in terms]
            usable = torch.cat([allowed for _, allowed, _ in parts], 1) if len(parts) > 1 else parts[0][1]
            weight = torch.cat([scaled for scaled, _, _ in parts], 1)
            given = torch.cat([term.given[group] for term in terms], 1) if len(parts) > 1 else terms[0].given[group]

            def of_group(value: Tensor | None, dim: int, group: int = group) -> Tensor | None:
                return None if value is None else value.chunk(first.groups, dim)[group]

            kept, wanted = outputs.chunk(first.groups)[group], target.chunk(first.groups, 1)[group]
            rounds = self.rounds if each in self.graph.preactivations else 0
            refit_matrix(
                *(weight, of_group(constant, 0), usable, kept, given, wanted, self.ridge, rounds, of_group(added, 1))
            )
            at = 0
            for term, (_, _, scale) in zip(terms, parts, strict=True):
                own = term.weights[group]
                solved, at = weight[:, at : at + own.shape[1]], at + own.shape[1]
                own.copy_(solved if scale is None else torch.where(scale != 0, solved / scale, own))
        if carrier is not None and constant is not None:
            bias = self.named[carrier]
            others = _sum(shifts) - bias
            bias.copy_(torch.where(outputs, constant - others, bias))
        for term in terms:
            if term.norm is not None and term.scale is not None:
                self._normalise(term, term.norm, term.scale, outputs)

    def _normalise(self, term: _Term, norm: Norm, scale: Tensor, outputs: Tensor) -> None:
        """Give a BatchNorm the statistics of the refitted outputs, without a change of what it computes."""
        if norm.weight is None or norm.bias is None:
            return
        every = zip(term.given, term.weights, strict=True)
        values = torch.cat([given @ weight.T for given, weight in every], 1)
        if term.layer.bias is not None:
            values += self.named[term.layer.bias]
        if len(values) < 2:
            return
        mean, variance = values.mean(0), values.var(0)
        changes = {
            norm.weight: scale * (variance + norm.epsilon).sqrt(),
            norm.bias: self.named[norm.bias] + scale * (mean - self.named[norm.mean]),
            norm.mean: mean,
            norm.variance: variance,
        }
        for name, value in changes.items():
            self.named[name].copy_(torch.where(outputs, value, self.named[name]))


def _rows(values: Tensor, layer: Layer, seed: int, rows: int) -> Tensor:
    """A copy of the sampled rows of a layer's outputs or inputs: [rows, channels]."""
    every = rows_of(values, layer)
    return every[sampled(len(every), seed, rows).to(every.device)]


def _affine(norm: Norm | None, named: Mapping[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """The scale and the shift of a BatchNorm, [channels] each; None without one."""
    if norm is None:
        return None, None
    scale = (named[norm.variance] + norm.epsilon).rsqrt()
    scale = scale if norm.weight is None else scale * named[norm.weight]
    shift = -named[norm.mean] * scale
    return scale, shift if norm.bias is None else shift + named[norm.bias]


def _normalised(values: Tensor, norm: Norm | None, named: Mapping[str, Tensor]) -> Tensor:
    scale, shift = _affine(norm, named)
    return values if scale is None or shift is None else values * scale + shift


def _scaled(term: _Term, group: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """A group's weights times the scale, which of them can be fitted, and the scale [out, 1], 0 where it is small."""
    weight, allowed = term.weights[group], term.allowed[group]
    if term.scale is None:
        return weight, allowed, None
    large = term.scale.abs() > SMALL * term.scale.abs().max()
    scale = torch.where(large, term.scale, 0).chunk(term.layer.groups)[group].unsqueeze(1)
    return weight * scale, allowed & (scale != 0), scale


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
