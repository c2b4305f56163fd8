"""The network that a job left in the store."""

from __future__ import annotations

from torch import nn

from prunelab import names
from prunelab.errors import StoreError
from prunelab.network.saved import Card, read_network
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store


def stored_network(store: Store, run: Run, trust: bool) -> tuple[nn.Module, Card]:
    """The compacted network of a finished job, and what it is. `trust` its code?

    Raises:
        StoreError: if the job kept none, or what it kept is damaged or of a class that is not trusted.
    """
    if names.FILE_BYTES not in run.metrics:
        raise StoreError(
            f"{run} kept no network, because it ran with measure=off or "
            "measure.file=false: run it again with measure.file=true"
        )
    return read_network(store.read(run.id, names.NETWORK_FILE), trust)
