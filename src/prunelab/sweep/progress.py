"""A line on the terminal for each job that ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console

from prunelab.measure.quality import Quality


@dataclass(slots=True)
class Progress:
    """Counts the jobs of a sweep that have ended, and from their pace the time left."""

    total: int
    ended: int = 0
    started: float = field(default_factory=time.perf_counter)
    job_started: float = field(default_factory=time.perf_counter)

    def starts(self, name: str) -> None:
        """A job begins now."""
        self.job_started = time.perf_counter()

    def finished(self, name: str, test: Quality) -> None:
        """A job came out well."""
        self._line(name, f"accuracy {test.accuracy:.4f}   loss {test.loss:7.4f}")

    def failed(self, name: str, error: BaseException) -> None:
        """A job did not."""
        self._line(name, f"FAILED: {type(error).__name__}: {error}")

    def _line(self, name: str, outcome: str) -> None:
        self.ended += 1
        now = time.perf_counter()
        left = (now - self.started) / self.ended * (self.total - self.ended)
        width = len(str(self.total))
        remaining = f", {left:.0f} s left" if self.ended < self.total else ""
        Console().print(
            f"[{self.ended:>{width}}/{self.total}] {name:<20} {outcome}   ({now - self.job_started:.1f} s{remaining})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
