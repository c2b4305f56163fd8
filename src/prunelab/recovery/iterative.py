"""Gradual pruning: training goes on while the share removed grows along a cubic curve (Zhu and Gupta 2017).

    s(t) = s_final (1 - (1 - t / ramp)^3) for t < ramp, then s_final; t the share of the training that is done.

The network trained so far is pruned anew at each step by the job's own method. Only epochs at the final percentage can
be the best one.
"""

from __future__ import annotations

from typing import Annotated

import pytorch_lightning as lightning
from pydantic import Field
from pytorch_lightning.callbacks import Callback

from prunelab.config import Count
from prunelab.network.layers import linear_layers
from prunelab.pruning.masks import apply
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune
from prunelab.recovery.recover import Task
from prunelab.training.classifier import Classifier


class Options(finetune.Options):
    """`steps`: how often it is pruned on the way; `ramp`: the share of the training in which that happens."""

    steps: Count
    ramp: Annotated[float, Field(strict=True, gt=0, le=1, description="a number above 0, at most 1")]


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Begins from the dense network; what `pruned` removed does not matter, only how much."""
    gradual = GradualPruning(task, options)
    network = pruned.with_network(task.dense).network
    network.load_state_dict(task.dense.state_dict())
    finetune.train(network, task, options, [gradual])
    assert gradual.last is not None
    return gradual.last.with_network(network)


class GradualPruning(Callback):
    """Prunes the network in training further at each step of the ramp, and keeps zero what was removed."""

    def __init__(self, task: Task, options: Options) -> None:
        self.task, self.options = task, options
        self.last: Pruned | None = None
        self.step = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """No epoch counts until the final percentage is reached."""
        assert isinstance(module, Classifier)
        module.selectable = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Prune if a step of the ramp is due."""
        assert isinstance(module, Classifier)
        share = trainer.global_step / int(trainer.estimated_stepping_batches)
        due = min(self.options.steps, 1 + int(share / self.options.ramp * self.options.steps))
        if due > self.step:
            self.step = due
            done = due / self.options.steps
            target = self.task.job.percentage
            percentage = target if due == self.options.steps else round(target * (1 - (1 - done) ** 3), 6)
            module.network.eval()
            self.last = self.task.prune(module.network, percentage)
            module.network.train()
            module.selectable = due == self.options.steps
        self._apply(module)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Whatever the optimiser revived goes back to zero."""
        self._apply(module)

    def _apply(self, module: lightning.LightningModule) -> None:
        assert isinstance(module, Classifier)
        assert self.last is not None
        apply(linear_layers(module.network), self.last.masks)
