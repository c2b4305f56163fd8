"""How many bytes a network is once it is saved."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from torch import nn

from prunelab.network.saved import Card, dense_bytes, sparse_bytes
from prunelab.pruning.granularity import Granularity


@dataclass(frozen=True, slots=True)
class SavedNetwork:
    """`content` is the file: the smaller of the dense and, for weights, the sparse form, whose sizes are beside it."""

    content: bytes
    dense: int
    sparse: int | None

    @property
    def form(self) -> str:
        """dense or sparse."""
        return "sparse" if self.sparse == len(self.content) else "dense"

    def gzipped(self) -> int:
        """Bytes of the file after `gzip`, at its default level 6."""
        return len(gzip.compress(self.content, compresslevel=6))


def saved(compacted: nn.Module, granularity: Granularity, card: Card) -> SavedNetwork:
    """The compacted network as the file that a job leaves."""
    dense = dense_bytes(compacted, card)
    if not granularity.sparse:
        return SavedNetwork(dense, len(dense), None)
    sparse = sparse_bytes(compacted, card)
    return SavedNetwork(min(dense, sparse, key=len), len(dense), len(sparse))
