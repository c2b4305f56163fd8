"""Train a baseline and record it as a run in the store."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import yaml
from pytorch_lightning.callbacks import Callback
from torch import nn

from prunelab import names
from prunelab.config import Job
from prunelab.data.dataset import Dataset
from prunelab.logs import as_text
from prunelab.measure.quality import Quality, evaluate
from prunelab.names import Kind
from prunelab.network.subject import graph_of
from prunelab.network.summary import summary
from prunelab.tracking.environment import provenance
from prunelab.tracking.store import Store
from prunelab.training.checkpoint import save_weights
from prunelab.training.fit import Fit, fit
from prunelab.training.logger import EpochLogger
from prunelab.training.progress import progress_of

log = logging.getLogger(__name__)
LEARNED = 0.05
"""Smallest accuracy gain over predicting the most frequent class, as a fraction of the largest possible gain."""


def train(job: Job, network: nn.Module, dataset: Dataset, store: Store, key: str) -> tuple[str, Quality, Quality]:
    """Train `network` in place and record the run; returns (run id, quality on test, quality on validation).

    With `training.epochs=0` the network is recorded as it is.

    Raises:
        TrainingError: if the training fails; its run is then FAILED.
    """
    epochs = job.training.epochs
    what = f"training {job.model.name} on {job.data.name}, seed {job.seed}: {epochs} epochs"
    log.info(what if epochs else f"{job.model.name} on {job.data.name} is used as it is (training.epochs=0)")
    log.info(as_text(summary(graph_of(job.model, dataset))))
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
                "optimizer": job.training.optimizer.value,
                "precision": job.training.precision.value,
            }
        )
        logger = EpochLogger(run)
        callbacks: list[Callback] = [progress_of(job.trainer, job.training.epochs)]
        fitted = (
            fit(network, dataset, job.training, job.trainer, job.seed, Path(folder), [logger], callbacks)
            if epochs
            else Fit(save_weights(network.eval(), Path(folder)), 0)
        )
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
        run.files({names.CHECKPOINT: fitted.checkpoint, **provenance(yaml.safe_dump(job.model_dump(mode="json")))})
        run.dataset(dataset.name, dataset.digest, dataset.source)
    log.info(f"baseline: test accuracy {test.accuracy:.4f}, loss {test.loss:.4f}")
    guessed = int(dataset.validation.labels.bincount().max()) / len(dataset.validation.labels)
    if validation.accuracy - guessed < LEARNED * (1 - guessed):
        log.warning(
            f"The unpruned network has learned next to nothing: its validation accuracy is {validation.accuracy:.4f}, "
            f"guessing the most frequent class gives {guessed:.4f}. Comparing methods on it is meaningless: train "
            "it longer (training.epochs) or with another recipe (training=convolution for convolutional networks)."
        )
    return run.id, test, validation
