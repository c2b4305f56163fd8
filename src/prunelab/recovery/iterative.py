"""Gradual pruning: training goes on while the share removed grows along a cubic curve (Zhu and Gupta 2017).

The network trained so far is pruned anew at each step by the job's own method. Only epochs at the final percentage can
be the best one.
"""

from __future__ import annotations

from typing import Annotated

import pytorch_lightning as lightning
from pydantic import Field

from prunelab.config import Count
from prunelab.graph.masks import apply
from prunelab.pruning.prune import Pruned
from prunelab.pruning.schedule import Cubic
from prunelab.recovery import finetune
from prunelab.recovery.recover import Task
from prunelab.training.classifier import Classifier
from prunelab.training.masked import KeepZeros


class Options(finetune.Options):
    """`steps`: how often it is pruned on the way; `ramp`: the share of the training in which that happens."""

    steps: Count
    ramp: Annotated[float, Field(strict=True, gt=0, le=1, description="a number above 0, at most 1")]

    @property
    def comes_first(self) -> bool:
        """It prunes anew on the way."""
        return True


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
        super().__init__({})
        self.task, self.schedule = task, Cubic(options.steps, options.ramp)
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
        due = self.schedule.step(trainer.global_step / int(trainer.estimated_stepping_batches))
        if due == self.step:
            return
        self.step, final = due, due == self.schedule.steps
        module.network.eval()
        self.last = self.task.prune(module.network, self.schedule.percentage(due, self.task.percentage))
        module.network.train()
        module.selectable = final
        self.mask = self.last.mask
        apply(module.network, self.mask)
