"""Do two networks give the same outputs?"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

TOLERANCE = 1e-4
"""Largest relative difference of outputs that counts as rounding: float32 sums in another order."""


def difference(found: Any, expected: Any) -> float:
    """The largest absolute difference of two outputs, relative to the largest absolute value expected.

    Outputs are tensors, or tuples, lists and dicts of tensors. The result is infinite if their shapes differ or if one
    contains a value that is not finite.
    """
    pairs = list(zip(_tensors(found), _tensors(expected), strict=False))
    if len(_tensors(found)) != len(_tensors(expected)) or any(one.shape != other.shape for one, other in pairs):
        return math.inf
    worst = 0.0
    for one, other in pairs:
        if other.numel():
            scale = float(other.abs().max().clamp_min(1e-30))
            largest = float((one - other).abs().max()) / scale
            worst = max(worst, largest if math.isfinite(largest) else math.inf)
    return worst


def is_exact(error: float) -> bool:
    """Whether a difference is no more than rounding."""
    return error <= TOLERANCE


def _tensors(outputs: Any) -> list[Tensor]:
    return [
        leaf.double() if leaf.is_floating_point() else leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)
    ]
