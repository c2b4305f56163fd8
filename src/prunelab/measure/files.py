"""How many bytes a network takes when it is saved."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from torch import nn

from prunelab.network.saved import Card, dense_bytes, sparse_bytes
from prunelab.pruning.granularity import Granularity


@dataclass(frozen=True, slots=True)
class SavedNetwork:
    """`content` is the file in its smaller form; `dense` and `sparse` are the bytes of both (None: not tried)."""

    content: bytes
    dense: int
    sparse: int | None

    @property
    def form(self) -> str:
        """`dense` or `sparse`."""
        return "sparse" if self.sparse is not None and self.sparse < self.dense else "dense"

    def gzipped(self) -> int:
        """Bytes of the file after `gzip` at its default level, 6."""
        return len(gzip.compress(self.content, compresslevel=6))


def saved(compacted: nn.Module, granularity: Granularity | None, card: Card) -> SavedNetwork:
    """The compacted network as a file. The sparse form is tried where the granularity leaves zeros, or is None."""
    dense = dense_bytes(compacted, card)
    if granularity is not None and not granularity.sparse:
        return SavedNetwork(dense, len(dense), None)
    sparse = sparse_bytes(compacted, card)
    return SavedNetwork(min(dense, sparse, key=len), len(dense), len(sparse))
