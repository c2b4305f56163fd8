"""The unpruned network: trained once for each distinct training, found again in the store, shared by all jobs."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch import nn

from prunelab import names
from prunelab.config import Job, fingerprint
from prunelab.data.dataset import Dataset
from prunelab.errors import StoreError, TrainingError
from prunelab.measure.quality import Quality, evaluate
from prunelab.names import Kind
from prunelab.network.build import build
from prunelab.network.summary import summary
from prunelab.tracking.logger import EpochLogger
from prunelab.tracking.record import provenance
from prunelab.tracking.store import Store
from prunelab.training.fit import fit, load_weights
from prunelab.training.progress import progress_of

TRAINING_VERSION = 1
"""Raised whenever training code changes what a given config leads to, so that older baselines are not taken for it."""


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


def baseline_key(job: Job, dataset: Dataset) -> str:
    """SHA-256 of all that determines the trained network."""
    return fingerprint(
        {
            "data": [dataset.digest, job.data.validation, job.data.split_seed],
            "model": job.model.model_dump(mode="json"),
            "training": job.training.model_dump(mode="json"),
            "seed": job.seed,
            "version": TRAINING_VERSION,
        }
    )


def baseline(job: Job, dataset: Dataset, store: Store) -> Baseline:
    """The trained network that `job` prunes: from this process, from the store, or trained now.

    Of several processes that want the same one, the first trains and the others wait for it. A training that went wrong
    in this process is not tried again by its later jobs.

    Raises:
        TrainingError: if the training goes wrong.
    """
    key = baseline_key(job, dataset)
    place = (store.tracking.uri, key)
    if place in _failed:
        raise _failed[place]
    if place not in _loaded:
        found = _stored(job, dataset, store, key)
        if found is None:
            with store.lock(f"baseline-{key[:16]}"):
                try:
                    found = _stored(job, dataset, store, key) or _train(job, dataset, store, key)
                except TrainingError as error:
                    _failed[place] = error
                    raise
        _loaded[place] = found
    return _loaded[place]


def forget() -> None:
    """Drop the networks that this process holds; the store keeps them."""
    _loaded.clear()
    _failed.clear()


def is_stored(job: Job, dataset: Dataset, store: Store) -> bool:
    """Whether a finished baseline for this job is in the store."""
    return bool(store.find(Kind.BASELINE, "FINISHED", baseline_key=baseline_key(job, dataset)))


def _stored(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline | None:
    """The newest finished baseline of this key whose checkpoint is whole; a damaged one is said so and passed over."""
    for run in store.find(Kind.BASELINE, "FINISHED", baseline_key=key):
        network = _untrained(job, dataset)
        try:
            checkpoint = store.read(run.info.run_id, names.CHECKPOINT)
            if hashlib.sha256(checkpoint).hexdigest() != run.data.tags.get(names.CHECKPOINT_SHA256):
                raise StoreError("it does not have the recorded SHA-256")
            load_weights(network, io.BytesIO(checkpoint))
        except Exception as error:
            Console(stderr=True).print(
                f"baseline {run.info.run_name}: its checkpoint is damaged or missing ({error}); training it again",
                markup=False,
            )
            store.client.set_tag(run.info.run_id, names.NOTE, f"The checkpoint was found damaged or missing: {error}")
            store.client.set_terminated(run.info.run_id, "FAILED")
            continue
        metrics = run.data.metrics
        test = Quality(metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS])
        validation = Quality(metrics[names.BEST_VAL_ACCURACY], metrics[names.BEST_VAL_LOSS])
        return Baseline(key, run.info.run_id, network, test, validation)
    return None


def _train(job: Job, dataset: Dataset, store: Store, key: str) -> Baseline:
    network = _untrained(job, dataset)
    console = Console(stderr=True)
    console.print(f"training {job.model.name} on {job.data.name}, seed {job.seed}: {job.training.epochs} epochs")
    console.print(summary(network))
    with (
        tempfile.TemporaryDirectory() as folder,
        store.run(Kind.BASELINE, f"baseline-{key[:12]}", tags={names.BASELINE_KEY: key}) as run,
    ):
        run.params(
            {
                "data": job.data.name,
                "model": job.model.name,
                "seed": job.seed,
                "epochs": job.training.epochs,
                "batch_size": job.training.batch_size,
                "learning_rate": job.training.learning_rate,
                "optimizer": job.training.optimizer,
                "precision": job.training.precision.value,
            }
        )
        logger = EpochLogger(run)
        callbacks: list[Callback] = [progress_of(job.trainer, job.training.epochs)]
        fitted = fit(network, dataset, job.training, job.trainer, job.seed, Path(folder), [logger], callbacks)
        test, validation = evaluate(network, dataset.test), evaluate(network, dataset.validation)
        run.metrics(
            {
                names.TEST_ACCURACY: test.accuracy,
                names.TEST_LOSS: test.loss,
                names.BEST_EPOCH: fitted.best_epoch,
                names.BEST_VAL_ACCURACY: validation.accuracy,
                names.BEST_VAL_LOSS: validation.loss,
            }
        )
        run.tags({names.CHECKPOINT_SHA256: hashlib.sha256(fitted.checkpoint.read_bytes()).hexdigest()})
        run.files({names.CHECKPOINT: fitted.checkpoint, **provenance(yaml.safe_dump(job.model_dump(mode="json")))})
        run.dataset(dataset.name, dataset.digest, dataset.source)
    console.print(f"baseline: test accuracy {test.accuracy:.4f}, loss {test.loss:.4f}")
    return Baseline(key, run.id, network, test, validation)


def _untrained(job: Job, dataset: Dataset) -> nn.Module:
    return build(job.model, dataset.features, len(dataset.classes), job.seed).to(dataset.device)
