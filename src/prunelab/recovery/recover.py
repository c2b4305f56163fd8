"""A recovery applied to a pruned network.

A recovery is a module with a pydantic model `Options` (the keys of its YAML file, with their bounds) and a function
`recover(pruned, task, options) -> Pruned`. What pruning removed stays removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from prunelab.config import Job, Recovery, refusals
from prunelab.data.dataset import Dataset
from prunelab.errors import ConfigError
from prunelab.network.build import build
from prunelab.plugins import imported
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import Pruned, prune


class Options(BaseModel):
    """What a recovery can be told; a recovery that is told nothing uses this as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def trains(self) -> bool:
        """Whether it trains with labels, so that it must be compared with a baseline trained equally longer."""
        return False


@dataclass(frozen=True, slots=True)
class Task:
    """What a recovery may use: the dense trained network (never changed), training data, the job's own choices."""

    job: Job
    dataset: Dataset
    calibration: Calibration
    dense: nn.Module

    def prune(self, network: nn.Module, percentage: float) -> Pruned:
        """Any network pruned by the job's method."""
        return prune(network, self.job.method, percentage, self.calibration)

    def untrained(self) -> nn.Module:
        """The network as it was before its training."""
        network = build(self.job.model, self.dataset.features, len(self.dataset.classes), self.job.seed)
        return network.to(self.dataset.device)


Recover = Callable[[Pruned, Task, Any], Pruned]


def recovery_of(recovery: Recovery) -> tuple[Recover, Options]:
    """The function behind a recovery's YAML file, and its options.

    Raises:
        ConfigError: if there is none, or an option is not accepted.
    """
    model = imported(f"{recovery.module}.Options", "recovery.module")
    try:
        options: Options = model.model_validate(recovery.options)
    except ValidationError as error:
        raise ConfigError(refusals(error, model, "recovery.")) from None
    function: Recover = imported(f"{recovery.module}.recover", "recovery.module")
    return function, options


def recover(pruned: Pruned, task: Task) -> Pruned:
    """What the configured recovery makes of a pruned network."""
    function, options = recovery_of(task.job.recovery)
    return function(pruned, task, options)
