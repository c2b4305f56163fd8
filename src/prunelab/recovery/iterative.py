"""Gradual pruning: training goes on while the share removed grows along a cubic curve (Zhu and Gupta 2017).

    s(t) = s_final (1 - (1 - t / ramp)^3) for t < ramp, then s_final; t the share of the training that is done.

The network trained so far is pruned anew at each step by the job's own method. Only epochs at the final percentage can
be the best one.
"""

from __future__ import annotations

from typing import Annotated

import pytorch_lightning as lightning
from pydantic import Field

from prunelab.config import Count
from prunelab.network.layers import linear_layers
from prunelab.pruning.masks import apply
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune
from prunelab.recovery.recover import Task
from prunelab.training.classifier import Classifier
from prunelab.training.masked import KeepZeros


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


class GradualPruning(KeepZeros):
    """Prunes the network in training further at each step of the ramp, and keeps zero what was removed."""

    def __init__(self, task: Task, options: Options) -> None:
        super().__init__([])
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
        if due == self.step:
            return
        self.step, done = due, due / self.options.steps
        target = self.task.job.percentage
        final = due == self.options.steps
        module.network.eval()
        self.last = self.task.prune(module.network, target if final else round(target * (1 - (1 - done) ** 3), 6))
        module.network.train()
        module.selectable = final
        self.masks = self.last.masks
        apply(linear_layers(module.network), self.masks)
