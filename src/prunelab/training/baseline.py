"""The unpruned network: trained once for each distinct training, found again in the store, shared by all jobs."""

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
    """A trained network (never changed by anyone), and how well it does."""

    key: str
    run_id: str
    network: nn.Module
    test: Quality
    validation: Quality


_loaded: dict[tuple[str, str], Baseline] = {}
_failed: dict[tuple[str, str], TrainingError] = {}


def baseline(job: Job, dataset: Dataset, store: Store, threads: int | None = None) -> Baseline:
    """The trained network that `job` prunes: from this process, from the store, or trained now.

    Of several processes that want the same one, the first trains and the others wait for it. A training that went wrong
    in this process is not tried again by its later jobs.

    Raises:
        TrainingError: if the training goes wrong.
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
    """Drop the networks that this process holds; the store keeps them."""
    _loaded.clear()
    _failed.clear()


def is_stored(key: str, store: Store) -> bool:
    """Whether a finished baseline with this key is in the store."""
    return bool(store.find(Kind.BASELINE, "FINISHED", baseline_key=key))


def _stored(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline | None:
    """The newest finished baseline of this key whose checkpoint is whole; a damaged one is said so and passed over."""
    for run in store.find(Kind.BASELINE, "FINISHED", baseline_key=key):
        network = untrained(job.model, dataset, job.seed)
        try:
            checkpoint = store.read(run.info.run_id, names.CHECKPOINT)
            if hashlib.sha256(checkpoint).hexdigest() != run.data.tags.get(names.CHECKPOINT_SHA256):
                raise StoreError("it does not have the recorded SHA-256")
            load_weights(network, io.BytesIO(checkpoint))
        except Exception as error:
            log.warning(
                f"baseline {run.info.run_name}: its checkpoint is damaged or missing ({error}); training it again"
            )
            store.client.set_tag(run.info.run_id, names.NOTE, f"The checkpoint was found damaged or missing: {error}")
            store.client.set_terminated(run.info.run_id, "FAILED")
            continue
        metrics = run.data.metrics
        test = Quality(metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS])
        validation = Quality(metrics[names.BEST_VAL_ACCURACY], metrics[names.BEST_VAL_LOSS])
        return Baseline(key, run.info.run_id, network, test, validation)
    return None


def _trained(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline:
    # Lightning takes longer to import than a job takes; most processes find their networks in the store.
    from prunelab.training.train import train

    network = untrained(job.model, dataset, job.seed)
    run_id, test, validation = train(job, network, dataset, store, key)
    return Baseline(key, run_id, network, test, validation)
