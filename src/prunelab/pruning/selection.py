"""From saliencies and a percentage to exactly the units that stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from prunelab.choices import Scope
from prunelab.errors import PrunelabError


def removed_count(percentage: float, units: int) -> int:
    """floor(percentage x units / 100), of the decimal number as it was written (0.1 x 1000 is 100, not 99.99...)."""
    return math.floor(Fraction(repr(percentage)) * units / 100)


def select(scores: Sequence[Tensor], count: int, scope: Scope, min_keep: int = 0) -> list[Tensor]:
    """True for each unit that stays, in the shapes of `scores`.

    Exactly `count` units go, those of the lowest score in their scope; of equal scores, those that stand first (layers
    in order, then rows, then columns). Units of infinite score go only when no others are left, whatever the scope; so
    do the best `min_keep` units of each layer.

    Raises:
        PrunelabError: if a score is not a number.
    """
    flat = [score.flatten() for score in scores]
    check_numbers(flat)
    ranked = torch.cat([SCOPES[scope](score) for score in flat]) if flat else torch.zeros(0)
    kept = ~(lowest(ranked, count) if min_keep == 0 else _sparing(ranked, count, flat, min_keep))
    parts = torch.split(kept, [score.numel() for score in scores])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]


def check_numbers(scores: Sequence[Tensor]) -> None:
    """Refuse scores that cannot be ranked.

    Raises:
        PrunelabError: if one is not a number.
    """
    if any(torch.isnan(score).any() for score in scores):
        raise PrunelabError("a score is not a number: the units cannot be ranked")


def lowest(scores: Tensor, count: int) -> Tensor:
    """True for the `count` lowest of `scores` ([n], no NaN), ties by position. On the processor without a sort."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    # On CUDA one block of threads would look for the k-th value, in older versions of torch in no fixed order.
    threshold = scores.sort().values[count - 1] if scores.is_cuda else scores.kthvalue(count).values
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().squeeze(1)
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen


def by_rank(score: Tensor) -> Tensor:
    """A unit's place in its own layer, in (0, 1): ranking these takes the same share of every layer, and nests.

    Infinite scores stay infinite: such a unit goes last of all, not only last of its layer.
    """
    places = torch.empty(score.numel(), dtype=torch.float64, device=score.device)
    places[score.sort(stable=True).indices] = torch.arange(score.numel(), dtype=torch.float64, device=score.device)
    return torch.where(torch.isposinf(score), torch.inf, (places + 0.5) / score.numel())


def by_mean(score: Tensor) -> Tensor:
    """A unit's score over the mean score of its layer, so that layers of different scale compare.

    Infinite scores stay infinite, and do not count in the mean.
    """
    finite = torch.isfinite(score)
    mean = score.mean() if finite.all() else score[finite].mean().nan_to_num()
    return score / mean.clamp_min(torch.finfo(score.dtype).tiny)


SCOPES: dict[Scope, Callable[[Tensor], Tensor]] = {
    Scope.GLOBAL: lambda score: score,
    Scope.GLOBAL_NORMALISED: by_mean,
    Scope.LAYER: by_rank,
}
"""What of a layer's scores ([n]) is ranked across layers. Sensitivity takes more than scores: it makes ranks first."""


def _sparing(ranked: Tensor, count: int, flat: Sequence[Tensor], min_keep: int) -> Tensor:
    """As `lowest`, but the best `min_keep` of each layer last."""
    protected = torch.cat([~lowest(score, max(0, score.numel() - min_keep)) for score in flat])
    free, spared = (~protected).nonzero().squeeze(1), protected.nonzero().squeeze(1)
    chosen = torch.zeros_like(protected)
    chosen[free[lowest(ranked[free], min(count, len(free)))]] = True
    if count > len(free):
        chosen[spared[lowest(ranked[spared], count - len(free))]] = True
    return chosen
