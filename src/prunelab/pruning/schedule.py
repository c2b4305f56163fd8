"""Schedules: the percentages by which a network is pruned on the way to the one that is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Geometric:
    """In `steps` steps, each of which takes an equal share of what is left. One step is one shot."""

    steps: int

    def percentages(self, target: float) -> list[float]:
        """Ascending; the last is the target."""
        if not 0 < target < 100:
            return [target]
        left = 1 - target / 100
        return [*(round(100 * (1 - left ** (step / self.steps)), 6) for step in range(1, self.steps)), target]


@dataclass(frozen=True, slots=True)
class Cubic:
    """While training goes on (Zhu and Gupta 2017): s(t) = s_final (1 - (1 - t / ramp)^3), in `steps` steps.

    t is the share of the training that is done; from `ramp` on the target is reached.
    """

    steps: int
    ramp: float

    def step(self, done: float) -> int:
        """The step that is due when the share `done` of the training is, from 1."""
        return min(self.steps, 1 + int(done / self.ramp * self.steps))

    def percentage(self, step: int, target: float) -> float:
        """What is removed from step `step` on."""
        return target if step == self.steps else round(target * (1 - (1 - step / self.steps) ** 3), 6)
