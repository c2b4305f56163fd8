"""Fine-tuning: a few more epochs with what was removed kept at zero; the best epoch on validation is kept.

With `distillation`, part of the loss is the distance to the dense network's outputs (Hinton, Vinyals and Dean 2015).
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
    """`distillation`: the share of the loss, 0 to 1, that is the distance to the dense network at `temperature`."""

    @property
    def trains(self) -> bool:
        """Always true."""
        return True

    def training(self, training: Training) -> Training:
        """The job's training settings with this recovery's epochs, batches, optimiser, learning rate and schedule."""
        return training.model_copy(
            update={
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "optimizer": self.optimizer or training.optimizer,
                "learning_rate": self.learning_rate,
                "schedule": self.schedule,
                "patience": None,
            }
        )


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Train the network without the removed units, which is faster than masking them; weights are masked."""
    kept = runnable(pruned.graph, pruned.units_kept)
    small = smaller(pruned.network, pruned.graph, kept)
    train(small, task, options, [] if not pruned.granularity.sparse else [KeepZeros(pruned.mask)])
    return pruned.with_network(restored(small, pruned.network, pruned.graph, kept))


def train(network: nn.Module, task: Task, options: Options, callbacks: Sequence[Callback] = ()) -> None:
    """Train a pruned network in place and leave it with the weights of its best epoch, in evaluation mode."""
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
    network.eval()
