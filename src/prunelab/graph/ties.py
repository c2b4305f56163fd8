"""Channel ids: which of them are tied together, and which cannot be removed."""

from __future__ import annotations

import torch
from torch import Tensor

NOTHING = 0
"""The id of a value that belongs to no removable channel."""


class Ties:
    """Channel ids, numbered from 1 in execution order, and the ties between them."""

    def __init__(self) -> None:
        self.count = 1
        self._pairs: list[Tensor] = []
        self._kept: list[tuple[Tensor, str]] = []

    def fresh(self, number: int) -> Tensor:
        """New ids, int64 [number]."""
        ids = torch.arange(self.count, self.count + number)
        self.count += number
        return ids

    def tie(self, one: Tensor, other: Tensor, reason: str) -> None:
        """Tie two tensors of ids of the same shape, entry by entry: tied ids are removed together or not at all.

        An id that is tied to `NOTHING` stays, for `reason`.
        """
        one, other = (part.reshape(-1) for part in torch.broadcast_tensors(*_narrowed(one, other)))
        apart = one != other
        pairs = torch.stack([one[apart], other[apart]])
        alone = (pairs == NOTHING).any(0)
        self.keep(pairs[:, alone], reason)
        if not bool(alone.all()):
            self._pairs.append(pairs[:, ~alone].unique(dim=1))

    def keep(self, ids: Tensor, reason: str) -> None:
        """Keep these ids and everything tied to them."""
        found = narrowed(ids).unique()
        found = found[found != NOTHING]
        if len(found):
            self._kept.append((found, reason))

    def classes(self) -> tuple[Tensor, dict[int, str]]:
        """A label for each id, int64 [count], equal for tied ids; and for each label that stays, its first reason."""
        from scipy.sparse import coo_array  # imported here because it takes 0.1 s
        from scipy.sparse.csgraph import connected_components

        pairs = torch.cat(self._pairs, dim=1) if self._pairs else torch.zeros(2, 0, dtype=torch.int64)
        links = coo_array(([True] * pairs.shape[1], (pairs[0].numpy(), pairs[1].numpy())), shape=(self.count,) * 2)
        labels = torch.from_numpy(connected_components(links, directed=False)[1]).long()
        stays: dict[int, str] = {int(labels[NOTHING]): ""}
        for ids, reason in self._kept:
            for label in labels[ids].unique().tolist():
                stays.setdefault(label, reason)
        return labels, stays


def varies(ids: Tensor, dim: int) -> bool:
    """Whether the ids differ along a dimension. Tensors of ids have stride 0 along all dimensions where they do not."""
    return ids.shape[dim] > 1 and ids.stride(dim) != 0


def narrowed(ids: Tensor) -> Tensor:
    """The ids with length 1 along every dimension in which they do not differ."""
    for dim in range(ids.dim()):
        if ids.shape[dim] > 1 and not varies(ids, dim):
            ids = ids.narrow(dim, 0, 1)
    return ids


def spread(ids: Tensor) -> Tensor:
    """The ids with stride 0 along every dimension in which they do not differ."""
    shape = ids.shape
    for dim in range(ids.dim()):
        if varies(ids, dim):
            first = ids.narrow(dim, 0, 1)
            if bool((narrowed(ids) == narrowed(first)).all()):
                ids = first
        elif ids.shape[dim] > 1:
            ids = ids.narrow(dim, 0, 1)
    return ids.expand(shape)


def nothing(shape: tuple[int, ...] | torch.Size) -> Tensor:
    """Ids of values that belong to no removable channel."""
    return torch.zeros((), dtype=torch.int64).expand(shape)


def _narrowed(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    assert one.shape == other.shape
    return narrowed(one), narrowed(other)
