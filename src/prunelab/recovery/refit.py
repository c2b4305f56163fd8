"""Refit a network's layers in execution order, during a forward pass; layers whose outputs are added fit together.

Several layers are one regression: their inputs side by side, each weight times the scale of its BatchNorm. They are
refitted when the last of them is called. Since the others have already computed their outputs by then, the forward pass
begins again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Layer, Norm, Preactivation, by_number
from prunelab.graph.surgery import tensors
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import ROWS, design, matrices, row_count, sampled
from prunelab.pruning.prune import Pruned
from prunelab.recovery.ridge_regression import refit_matrix
from prunelab.recovery.targets import Targets, affine, sampled_rows

SMALL = 1e-6
"""Scale of a BatchNorm, relative to its largest, below which the weights before it stay as they are."""


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
    """A layer of a sum, split into its groups. It adds scale x (inputs x weights) + shift to the sum.

    `given`: its inputs, [rows, in x kernel]. `weights`: matrices [out, in x kernel] (views); `allowed`: which of their
    entries remain, bool. `scale`: [out], None for 1. `shift`: [out], None for 0.
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
            self.inputs[name] = sampled_rows(call.given, call.layer, *self.sample)
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
        scale, shift = affine(norm, self.named)
        if layer.bias is not None:
            own = self.named[layer.bias]
            shift = own.clone() if scale is None or shift is None else shift + scale * own
        weights, allowed = matrices(self.named[layer.weight], layer), matrices(mask, layer)
        return _Term(layer, norm, given, weights, allowed, scale, shift)

    def _fit(self, each: Preactivation, terms: list[_Term]) -> None:
        """Fit the layers of a sum together, in place."""
        outputs, target = self._outputs(terms[0].layer), self.targets[each]
        shifts = [term.shift for term in terms if term.shift is not None]
        constant = reduce(torch.add, shifts) if shifts else None
        beside = [self.inputs[name] for name in each.added]
        bias = next((self.named[term.bias] for term in terms if term.bias is not None), None)
        others = None if bias is None or constant is None else constant - bias
        if bias is None and constant is not None:  # it cannot be fitted
            beside, constant = [*beside, constant.expand_as(target)], None
        added = reduce(torch.add, beside) if beside else None
        target = target if added is None else target - added
        rounds = self.rounds if each in self.graph.preactivations else 0
        groups = terms[0].layer.groups
        for group in range(groups):
            parts = [_scaled(term, group) for term in terms]
            weight = torch.cat([scaled for scaled, _, _ in parts], 1)
            refit_matrix(
                weight,
                None if constant is None else constant.chunk(groups)[group],
                torch.cat([allowed for _, allowed, _ in parts], 1),
                outputs.chunk(groups)[group],
                torch.cat([term.given[group] for term in terms], 1) if len(terms) > 1 else terms[0].given[group],
                target.chunk(groups, 1)[group],
                self.ridge,
                rounds,
                None if added is None else added.chunk(groups, 1)[group],
            )
            solutions = torch.split(weight, [scaled.shape[1] for scaled, _, _ in parts], 1)
            for term, solved, (_, _, scale) in zip(terms, solutions, parts, strict=True):
                own = term.weights[group]
                own.copy_(solved if scale is None else torch.where(scale != 0, solved / scale, own))
        if bias is not None and constant is not None and others is not None:
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


def _scaled(term: _Term, group: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """A group's weights times the scale, which of them can be fitted, and the scale [out, 1], 0 where it is small."""
    weight, allowed = term.weights[group], term.allowed[group]
    if term.scale is None:
        return weight, allowed, None
    large = term.scale.abs() > SMALL * term.scale.abs().max()
    scale = torch.where(large, term.scale, 0).chunk(term.layer.groups)[group].unsqueeze(1)
    return weight * scale, allowed & (scale != 0), scale
