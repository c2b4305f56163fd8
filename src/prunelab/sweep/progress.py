"""A line on the terminal for each job that ends, whichever process it ran in."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console

from prunelab import names
from prunelab.errors import StoreError
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

POLL_SECONDS = 1.0
REST = 10.0
"""How many times longer than it looks at the store the watcher rests."""
OVERLAP = 60_000
"""Milliseconds before the newest end seen that a look goes back: how far workers' clocks may be apart."""
ENDED = ("FINISHED", "FAILED", "KILLED")


@dataclass(slots=True)
class Progress:
    """Counts the jobs of a sweep that have ended, and from their pace the time left.

    `labels` has, by config hash, what a job is called, where its name is not enough; `total` is the number of jobs, or
    None in a sweep that decides as it goes.
    """

    labels: Mapping[str, str]
    total: int | None
    ended: int = 0
    started: float = field(default_factory=time.perf_counter)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max((len(label) for label in self.labels.values()), default=24)

    def starts(self, config_hash: str, name: str) -> None:
        """A job begins now, in this process."""
        console = Console(stderr=True)
        if console.is_terminal:
            of = f" of {self.total}" if self.total else ""
            console.print(f"job {self.ended + 1}{of}: {self.labels.get(config_hash, name)}", highlight=False, end="\r")

    def finished(self, config_hash: str, name: str, accuracy: float, loss: float, seconds: float) -> None:
        """A job came out well."""
        self._line(self.labels.get(config_hash, name), f"accuracy {accuracy:.4f}   loss {loss:7.4f}", seconds)

    def failed(self, config_hash: str, name: str, reason: str, seconds: float) -> None:
        """A job did not."""
        self._line(self.labels.get(config_hash, name), reason, seconds)

    def _line(self, label: str, outcome: str, seconds: float) -> None:
        self.ended += 1
        counter, remaining = f"[{self.ended}]", ""
        if self.total is not None:
            counter = f"[{self.ended:>{len(str(self.total))}}/{self.total}]"
            left = (time.perf_counter() - self.started) / self.ended * (self.total - self.ended)
            remaining = f", {_duration(left)} left" if self.ended < self.total else ""
        Console().print(
            f"{counter} {label:<{self.width}}   {outcome}   ({seconds:.1f} s{remaining})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


class Watcher(threading.Thread):
    """Follows in the store the jobs that run in other processes, and reports each as it ends."""

    def __init__(self, store: Store, sweep_id: str, progress: Progress) -> None:
        super().__init__(daemon=True)
        self._store, self._sweep_id, self._progress = store, sweep_id, progress
        self._seen = {run.id for run in store.children(sweep_id) if run.status in ENDED}
        self._newest = 0
        self._done = threading.Event()

    def run(self) -> None:
        """Look every second until told to stop, less often where that takes long; after no answer, look again."""
        pause = POLL_SECONDS
        while not self._done.wait(pause):
            started = time.perf_counter()
            with suppress(StoreError):
                self._look()
            pause = max(POLL_SECONDS, REST * (time.perf_counter() - started))

    def stop(self) -> None:
        """Report what is still unreported, of whatever time, and end."""
        self._done.set()
        self.join()
        self._newest = 0
        self._look()

    def _look(self) -> None:
        """Report the jobs that ended since the last look; those before are not read again."""
        for run in reversed(self._store.children(self._sweep_id, ended_since=max(0, self._newest - OVERLAP))):
            self._newest = max(self._newest, run.ended or 0)
            if run.status in ENDED and run.id not in self._seen:
                self._seen.add(run.id)
                self._report(run)

    def _report(self, run: Run) -> None:
        seconds = ((run.ended or run.started) - run.started) / 1000
        config_hash, metrics = run.tags[names.CONFIG_HASH], run.metrics
        if run.status == "FINISHED":
            self._progress.finished(
                config_hash, run.name, metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS], seconds
            )
        else:
            note = run.tags.get(names.NOTE, "").replace("**", "")
            self._progress.failed(config_hash, run.name, note or run.status, seconds)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
