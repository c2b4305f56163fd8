"""Selection: from scores and a percentage to the units that stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from prunelab.choices import Scope
from prunelab.errors import PrunelabError


def removed_count(percentage: float, units: int) -> int:
    """floor(percentage x units / 100), exact for the decimal number as written: 0.1% of 1,000 is 1."""
    return math.floor(Fraction(repr(percentage)) * units / 100)


def select(scores: Sequence[Tensor], count: int, scope: Scope, min_keep: int = 0) -> list[Tensor]:
    """The units that stay: bool, in the shapes of `scores`.

    Exactly `count` units are removed, those with the lowest scores within the scope. Ties are broken by position: the
    first are removed first (layers in order, then rows, then columns). Units with an infinite score, and the best
    `min_keep` units of each layer, are removed only when no others are left, in every scope.

    Raises:
        PrunelabError: if a score is NaN, or scores cannot be ranked in this scope.
    """
    flat = [score.flatten() for score in scores]
    check_numbers(flat)
    ranked = torch.cat([SCOPES[scope](score) for score in flat]) if flat else torch.zeros(0)
    kept = ~(lowest(ranked, count) if min_keep == 0 else _sparing(ranked, count, flat, min_keep))
    parts = torch.split(kept, [score.numel() for score in scores])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]


def check_numbers(scores: Sequence[Tensor], layers: Sequence[str] = ()) -> None:
    """Check that scores can be ranked. `layers`: whose scores they are, for the message.

    Raises:
        PrunelabError: if one is NaN.
    """
    for index, score in enumerate(scores):
        if torch.isnan(score).any():
            whose = f" of layer {layers[index]}" if layers else ""
            raise PrunelabError(f"a score{whose} is not a number: the units cannot be ranked")


def lowest(scores: Tensor, count: int) -> Tensor:
    """The `count` lowest of `scores` ([n], no NaN), ties by position: bool [n]. Needs no sort on a CPU."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    # On CUDA kthvalue runs in a single block of threads, and is not deterministic in older versions of torch.
    threshold = scores.sort().values[count - 1] if scores.is_cuda else scores.kthvalue(count).values
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().squeeze(1)
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen


def largest(values: Tensor, among: Tensor, count: int) -> Tensor:
    """The `count` entries of largest magnitude of those in `among` (bool), ties by position: bool, in their shape."""
    sizes = values.detach().abs().masked_fill(~among, -1)
    return lowest(-sizes.flatten(), count).view_as(among) & among


def by_rank(score: Tensor) -> Tensor:
    """A unit's rank within its layer, scaled to (0, 1): ranking these removes the same share of every layer, and nests.

    Infinite scores stay infinite: such a unit is the last of all to go, not only the last of its layer.
    """
    places = torch.empty(score.numel(), dtype=torch.float64, device=score.device)
    places[score.sort(stable=True).indices] = torch.arange(score.numel(), dtype=torch.float64, device=score.device)
    return torch.where(torch.isposinf(score), torch.inf, (places + 0.5) / score.numel())


def by_mean(score: Tensor) -> Tensor:
    """A unit's score / mean score of its layer, so that layers of different scale are comparable.

    Infinite scores stay infinite and do not count in the mean.

    Raises:
        PrunelabError: if the mean is negative: dividing by it would reverse the order.
    """
    finite = torch.isfinite(score)
    mean = score.mean() if finite.all() else score[finite].mean().nan_to_num()
    if mean < 0:
        raise PrunelabError(
            "scope=global_normalised divides the scores of a layer by their mean, which is negative here; such scores "
            "can be ranked with scope=global or layer"
        )
    return score / mean.clamp_min(torch.finfo(score.dtype).tiny)


SCOPES: dict[Scope, Callable[[Tensor], Tensor]] = {
    Scope.GLOBAL: lambda score: score,
    Scope.GLOBAL_NORMALISED: by_mean,
    Scope.LAYER: by_rank,
}
"""How a layer's scores ([n]) are transformed before all layers are ranked together.

The scope `sensitivity` needs more than scores: `prunelab.pruning.sensitivity` computes ranks, which are then ranked as
`global`.
"""


def _sparing(ranked: Tensor, count: int, flat: Sequence[Tensor], min_keep: int) -> Tensor:
    """As `lowest`, but the best `min_keep` of each layer are the last to go."""
    protected = torch.cat([~lowest(score, max(0, score.numel() - min_keep)) for score in flat])
    free, spared = (~protected).nonzero().squeeze(1), protected.nonzero().squeeze(1)
    chosen = torch.zeros_like(protected)
    chosen[free[lowest(ranked[free], min(count, len(free)))]] = True
    if count > len(free):
        chosen[spared[lowest(ranked[spared], count - len(free))]] = True
    return chosen
