"""Apply a recovery to a pruned network.

A recovery is a module with a pydantic model `Options` (the keys of its YAML file and their bounds) and a function
`recover(pruned, task, options) -> Pruned`. It must keep at zero what pruning removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from prunelab.choices import PercentageOf
from prunelab.config import Method, Recovery, Trainer, Training
from prunelab.data.dataset import Dataset
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.plugins import imported
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import Granularity
from prunelab.pruning.prune import Pruned, prune
from prunelab.recovery.batch_norm import reestimated
from prunelab.refusals import refusals


class Options(BaseModel):
    """Options of every recovery. `batch_norm`: re-estimate BatchNorm statistics afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_norm: Annotated[bool, Field(strict=True, description="true or false")] = False

    @property
    def trains(self) -> bool:
        """Whether it trains with labels: it is then compared with a baseline that gets the same extra training."""
        return False

    def percentages(self, target: float) -> list[float]:
        """The percentages that it prunes to on its way to the target, ascending, with the target."""
        return [target]

    @property
    def reestimates(self) -> bool:
        """Whether BatchNorm statistics are re-estimated, at its end or in one of its steps."""
        return self.batch_norm

    def check(self, granularity: Granularity) -> None:
        """Check that it can recover networks pruned at this granularity.

        Raises:
            ConfigError: saying what is accepted.
        """
        return

    @property
    def comes_first(self) -> bool:
        """Whether it can only be the first of several: it starts from the dense network, or needs weights as pruned."""
        return False


@dataclass(frozen=True, slots=True)
class Learning:
    """Resources of recoveries that train. `untrained`: builds the network as it was before training."""

    dataset: Dataset
    training: Training
    trainer: Trainer
    untrained: Callable[[], nn.Module]


@dataclass(frozen=True, slots=True)
class Task:
    """The context of a recovery.

    `dense`: the trained network before pruning, which must not be changed. `learning`: None without labels.
    `scores`: the dense network's, as `prunelab.pruning.ranking` gives them, or None.
    """

    dense: nn.Module
    graph: Graph
    calibration: Calibration
    method: Method
    percentage: float
    percentage_of: PercentageOf
    seed: int
    learning: Learning | None
    scores: Sequence[Tensor] | None = None

    def prune(self, network: nn.Module, percentage: float) -> Pruned:
        """Prune a copy of a network of the same shapes by the job's method."""
        known = self.scores if network is self.dense else None
        return prune(network, self.graph, self.method, percentage, self.calibration, self.percentage_of, known)


Recover = Callable[[Pruned, Task, Any], Pruned]


def recovery_of(recovery: Recovery) -> tuple[Recover, Options]:
    """The function of a configured recovery, and its validated options.

    Raises:
        ConfigError: if the module does not exist, or an option is not accepted.
    """
    model = imported(f"{recovery.module}.Options", "recovery.module")
    try:
        options: Options = model.model_validate(recovery.options)
    except ValidationError as error:
        raise ConfigError(refusals(error, model, "recovery.")) from None
    function: Recover = imported(f"{recovery.module}.recover", "recovery.module")
    return function, options


def recover(pruned: Pruned, task: Task, recovery: Recovery) -> Pruned:
    """Apply the configured recovery.

    Raises:
        ConfigError: if it trains and there are no labels, or does not take the granularity.
    """
    function, options = recovery_of(recovery)
    options.check(pruned.granularity)
    if options.trains and task.learning is None:
        raise ConfigError(f"recovery={recovery.name} trains: it needs labels, an int64 tensor [n]")
    recovered = function(pruned, task, options)
    return reestimated(recovered, task.calibration) if options.batch_norm else recovered
