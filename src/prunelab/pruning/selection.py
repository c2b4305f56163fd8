"""From saliencies and a percentage to exactly the units that stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from prunelab.config import Scope
from prunelab.errors import PrunelabError


def removed_count(percentage: float, units: int) -> int:
    """floor(percentage x units / 100), of the decimal number as it was written (0.1 x 1000 is 100, not 99.99...)."""
    return math.floor(Fraction(repr(percentage)) * units / 100)


def select(scores: Sequence[Tensor], percentage: float, scope: Scope) -> list[Tensor]:
    """True for each unit that stays, in the shapes of `scores`.

    Exactly `removed_count` units go, those of the lowest score; of equal scores, those that stand first (layers in
    order, then rows, then columns).

    Raises:
        PrunelabError: if a score is not a number.
    """
    if scope is not Scope.GLOBAL:
        raise PrunelabError(f"method.scope={scope.value} is not known to selection")
    flat = torch.cat([score.flatten() for score in scores])
    kept = ~lowest(flat, removed_count(percentage, flat.numel()))
    parts = torch.split(kept, [score.numel() for score in scores])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]


def lowest(scores: Tensor, count: int) -> Tensor:
    """True for the `count` lowest of `scores` ([n]), ties by position. Linear in n: no sort.

    Raises:
        PrunelabError: if a score is not a number.
    """
    if torch.isnan(scores).any():
        raise PrunelabError("a score is not a number: the units cannot be ranked")
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    threshold = scores.kthvalue(count).values
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().squeeze(1)
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen
