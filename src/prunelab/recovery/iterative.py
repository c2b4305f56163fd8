"""Gradual magnitude pruning: the dense network is trained on while the pruned share grows (Zhu and Gupta 2017).

The share grows along a cubic curve. At each of its steps the network is pruned again by the job's method. Only epochs
at the final percentage can be chosen as the best one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from prunelab.config import Count
from prunelab.graph.masks import Mask
from prunelab.pruning.prune import Pruned
from prunelab.pruning.schedule import Cubic
from prunelab.recovery import finetune
from prunelab.recovery.recover import Task
from prunelab.training.masked import Gradual


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


class GradualPruning(Gradual):
    """Prunes the network further at each step of the ramp, and keeps at zero what was removed."""

    def __init__(self, task: Task, options: Options) -> None:
        super().__init__({}, Cubic(options.steps, options.ramp))
        self.task = task
        self.last: Pruned | None = None

    def masked_at(self, network: nn.Module, step: int) -> Mask:
        """The mask of a further pruning."""
        network.eval()
        self.last = self.task.prune(network, self.schedule.percentage(step, self.task.percentage))
        network.train()
        return self.last.mask
