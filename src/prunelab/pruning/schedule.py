"""Pruning schedules: the percentages on the way to the target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Geometric:
    """Prune in `steps` steps, each removing the same share of what is left. One step is one-shot pruning."""

    steps: int

    def percentages(self, target: float) -> list[float]:
        """The percentage removed in total after each step, ascending; the last is the target."""
        if not 0 < target < 100:
            return [target]
        left = 1 - target / 100
        return [*(round(100 * (1 - left ** (step / self.steps)), 6) for step in range(1, self.steps)), target]


@dataclass(frozen=True, slots=True)
class Cubic:
    """Gradual pruning during training (Zhu and Gupta 2017): s(t) = s_final (1 - (1 - t / ramp)^3), in `steps` steps.

    t is the fraction of the training that is done, from 0 to 1. From t = `ramp` on, it is the target.
    """

    steps: int
    ramp: float

    def step(self, done: float) -> int:
        """The step that is due after the fraction `done` of the training, counted from 1."""
        return min(self.steps, 1 + int(done / self.ramp * self.steps))

    def due(self, batch: int, batches: int) -> int:
        """The step that is due before a batch, from 0, of so many; the last one before the last batch at the latest."""
        return self.steps if batch + 1 >= batches else self.step(batch / batches)

    def percentage(self, step: int, target: float) -> float:
        """The percentage removed from step `step` on."""
        return target if step == self.steps else round(target * (1 - (1 - step / self.steps) ** 3), 6)
