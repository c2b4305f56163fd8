"""Fine-tuning: a few more epochs in which what was removed stays zero; the best epoch on validation is kept.

With `distillation`, the loss is partly the distance to the dense network's own outputs (Hinton, Vinyals and Dean 2015).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.callbacks import Callback
from torch import nn

from prunelab.config import Retraining, Training
from prunelab.graph.surgery import restored, runnable, smaller
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task
from prunelab.training.classifier import Distillation
from prunelab.training.fit import fit
from prunelab.training.masked import KeepZeros


class Options(NoOptions, Retraining):
    """`distillation`: share of the loss that is the distance to the dense network's outputs at `temperature`."""

    @property
    def trains(self) -> bool:
        """It does."""
        return True

    def training(self, training: Training) -> Training:
        """The job's own training, with this recovery's epochs, batches, rate and schedule."""
        return training.model_copy(
            update={
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "learning_rate": self.learning_rate,
                "schedule": self.schedule,
                "patience": None,
            }
        )


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Units that are gone need no masks: the physically smaller network is trained, which is faster."""
    kept = runnable(pruned.graph, pruned.units_kept)
    small = smaller(pruned.network, pruned.graph, kept)
    train(small, task, options, [] if not pruned.granularity.sparse else [KeepZeros(pruned.mask)])
    return pruned.with_network(restored(small, pruned.network, pruned.graph, kept))


def train(network: nn.Module, task: Task, options: Options, callbacks: Sequence[Callback] = ()) -> None:
    """Train the network in place and leave it as after its best epoch."""
    learning = task.learning
    assert learning is not None
    teacher = Distillation(task.dense, options.distillation, options.temperature) if options.distillation > 0 else None
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            learning.dataset,
            options.training(learning.training),
            learning.trainer,
            task.seed,
            Path(folder),
            callbacks=callbacks,
            distillation=teacher,
        )
