"""The network that a job left in the store."""

from __future__ import annotations

from mlflow.entities import Run as MlflowRun
from torch import nn

from prunelab import names
from prunelab.errors import StoreError
from prunelab.network.saved import Card, read_network
from prunelab.tracking.store import Store


def stored_network(store: Store, run: MlflowRun, trust: bool) -> tuple[nn.Module, Card]:
    """The compacted network of a finished job, and what it is. `trust` its code?

    Raises:
        StoreError: if the job kept none, or what it kept is damaged or of a class that is not trusted.
    """
    if names.FILE_BYTES not in run.data.metrics:
        raise StoreError(
            f"job {run.info.run_name} (run {run.info.run_id}) kept no network, because it ran with measure=off or "
            "measure.file=false: run it again with measure.file=true"
        )
    return read_network(store.read(run.info.run_id, names.NETWORK_FILE), trust)
