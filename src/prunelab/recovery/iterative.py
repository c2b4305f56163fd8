"""Gradual magnitude pruning: the dense network is trained on while the pruned share grows (Zhu and Gupta 2017).

The share grows along a cubic curve. At each of its steps the network is pruned again by the job's method. Only epochs
at the final percentage can be chosen as the best one.
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
    """`steps`: the number of pruning steps; `ramp`: the fraction of the training over which they are spread."""

    steps: Count
    ramp: Annotated[float, Field(strict=True, gt=0, le=1, description="a number above 0, at most 1")]

    def percentages(self, target: float) -> list[float]:
        """Those of the cubic curve."""
        schedule = Cubic(self.steps, self.ramp)
        return [schedule.percentage(step, target) for step in range(1, self.steps + 1)]

    @property
    def comes_first(self) -> bool:
        """Always true: it starts from the dense network."""
        return True


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Start from the dense network. The units that `pruned` removed do not matter, only the percentage."""
    gradual = GradualPruning(task, options)
    network = pruned.with_network(task.dense).network
    network.load_state_dict(task.dense.state_dict())
    finetune.train(network, task, options, [gradual])
    assert gradual.last is not None
    return gradual.last.with_network(network)


class GradualPruning(KeepZeros):
    """Prunes the network further at each step of the ramp, and keeps at zero what was removed."""

    def __init__(self, task: Task, options: Options) -> None:
        super().__init__({})
        self.task, self.schedule = task, Cubic(options.steps, options.ramp)
        self.last: Pruned | None = None
        self.step = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Exclude the epochs before the final percentage from the choice of the best one."""
        assert isinstance(module, Classifier)
        module.selectable = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Prune when the next step of the ramp is due."""
        assert isinstance(module, Classifier)
        due = self.schedule.due(trainer.global_step, int(trainer.estimated_stepping_batches))
        if due == self.step:
            return
        self.step, final = due, due == self.schedule.steps
        module.network.eval()
        self.last = self.task.prune(module.network, self.schedule.percentage(due, self.task.percentage))
        module.network.train()
        module.selectable = final
        self.mask = self.last.mask
        apply(module.network, self.mask)
