"""The baseline: the unpruned network, trained once per distinct training, kept in the store, shared by all jobs."""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import dataclass

from torch import nn

from prunelab import names
from prunelab.config import Job
from prunelab.data.dataset import Dataset
from prunelab.errors import StoreError, TrainingError
from prunelab.identity import baseline_key
from prunelab.measure.quality import Quality
from prunelab.names import Kind
from prunelab.network.subject import untrained
from prunelab.tracking.store import Store
from prunelab.training.checkpoint import load_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A trained network, which must not be changed, and its accuracy and loss."""

    key: str
    run_id: str
    network: nn.Module
    test: Quality
    validation: Quality


_loaded: dict[tuple[str, str], Baseline] = {}
_failed: dict[tuple[str, str], TrainingError] = {}


def baseline(job: Job, dataset: Dataset, store: Store, threads: int | None = None) -> Baseline:
    """The trained network that `job` prunes: from memory, from the store, or trained now.

    If several processes need the same baseline, the first one trains it and the others wait. A training that failed is
    not repeated by later jobs of the same process.

    Raises:
        TrainingError: if the training fails.
    """
    key = baseline_key(job, threads)
    place = (store.tracking.uri, key)
    if place in _failed:
        raise _failed[place]
    if place not in _loaded:
        found = _stored(job, dataset, store, key)
        if found is None:
            with store.lock(f"baseline-{key[:16]}"):
                try:
                    found = _stored(job, dataset, store, key) or _trained(job, dataset, store, key)
                except TrainingError as error:
                    _failed[place] = error
                    raise
        _loaded[place] = found
    return _loaded[place]


def forget() -> None:
    """Drop the baselines held in memory; the store keeps them."""
    _loaded.clear()
    _failed.clear()


def is_stored(key: str, store: Store) -> bool:
    """Whether a finished baseline with this key is in the store."""
    return bool(store.find(Kind.BASELINE, "FINISHED", baseline_key=key))


def _stored(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline | None:
    """The newest finished baseline with an intact checkpoint; damaged checkpoints are reported and marked FAILED."""
    for run in store.find(Kind.BASELINE, "FINISHED", baseline_key=key):
        network = untrained(job.model, dataset, job.seed)
        try:
            checkpoint = store.read(run.id, names.CHECKPOINT)
            if hashlib.sha256(checkpoint).hexdigest() != run.tags.get(names.CHECKPOINT_SHA256):
                raise StoreError("it does not have the recorded SHA-256")
            load_weights(network, io.BytesIO(checkpoint))
        except Exception as error:
            log.warning(f"baseline {run.name}: its checkpoint is damaged or missing ({error}); training it again")
            store.fail(run.id, f"the checkpoint was found damaged or missing: {error}")
            continue
        metrics = run.metrics
        test = Quality(metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS])
        validation = Quality(metrics[names.BEST_VAL_ACCURACY], metrics[names.BEST_VAL_LOSS])
        return Baseline(key, run.id, network, test, validation)
    return None


def _trained(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline:
    # Importing Lightning takes longer than a job, and most processes find their baseline in the store.
    from prunelab.training.train import train

    network = untrained(job.model, dataset, job.seed)
    run_id, test, validation = train(job, network, dataset, store, key)
    return Baseline(key, run_id, network, test, validation)
