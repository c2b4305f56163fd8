"""Several recoveries in a row, each starting from the result of the one before."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from prunelab.config import Recovery
from prunelab.errors import ConfigError
from prunelab.pruning.granularity import Granularity
from prunelab.pruning.prune import Pruned
from prunelab.recovery import recover as recoveries
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task, recovery_of


class Options(NoOptions):
    """`steps`: names of the other keys, in order; each of those holds a recovery with its own options.

    A name may occur several times.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Recovery]

    steps: Annotated[tuple[str, ...], Field(min_length=1, description="a list of names of recoveries, at least one")]

    @model_validator(mode="after")
    def _known(self) -> Options:
        """Check that every step names a recovery with valid options, and that none but the first has to come first."""
        known = self.__pydantic_extra__
        for place, step in enumerate(self.steps):
            if step not in known:
                raise ValueError(f"recovery.steps={list(self.steps)}: {step} is none of {', '.join(known)}")
            try:
                options = recovery_of(known[step])[1]
            except ConfigError as error:
                raise ValueError(f"in step {step}: {error}") from error
            if place and options.comes_first:
                raise ValueError(
                    f"recovery.steps={list(self.steps)}: {step}, as configured, cannot start from another "
                    "step's result: it can only be the first"
                )
        return self

    @property
    def chosen(self) -> tuple[Recovery, ...]:
        """The recoveries, in order."""
        return tuple(self.__pydantic_extra__[step] for step in self.steps)

    @property
    def trains(self) -> bool:
        """Whether one of the steps trains."""
        return any(recovery_of(recovery)[1].trains for recovery in self.chosen)

    def percentages(self, target: float) -> list[float]:
        """Those of its first step: no other one prunes again."""
        return recovery_of(self.chosen[0])[1].percentages(target)

    @property
    def reestimates(self) -> bool:
        """Whether it does, or one of the steps."""
        return self.batch_norm or any(recovery_of(recovery)[1].reestimates for recovery in self.chosen)

    def check(self, granularity: Granularity) -> None:
        """Check each of its steps."""
        for recovery in self.chosen:
            recovery_of(recovery)[1].check(granularity)

    @property
    def comes_first(self) -> bool:
        """Whether its first step has to come first."""
        return recovery_of(self.chosen[0])[1].comes_first


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Apply the steps in order."""
    for recovery in options.chosen:
        pruned = recoveries.recover(pruned, task, recovery)
    return pruned
