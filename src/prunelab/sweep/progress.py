"""Progress: a line for each job that ends, whichever process it ran in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from prunelab import logs, names
from prunelab.errors import StoreError
from prunelab.measure.quality import Quality
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

POLL_SECONDS = 1.0
REST = 10.0
"""After each query of the store, the watcher sleeps this many times as long as the query took."""
OVERLAP = 60_000
"""Each query starts this long (ms) before the newest end seen so far: workers' clocks may differ by this much."""
ENDED = ("FINISHED", "FAILED", "KILLED")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """Counts the jobs that have ended. Their pace since the first one, which may train, gives the time left.

    `labels`: by config hash, what a job is called where its name is not enough. `total`: the number of jobs; None in an
    adaptive sweep, which chooses on validation accuracy: it is what is shown then.
    """

    labels: Mapping[str, str]
    total: int | None
    ended: int = 0
    first_ended: float = field(default=0.0, init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max((len(label) for label in self.labels.values()), default=24)

    def starts(self, config_hash: str, name: str) -> None:
        """A job begins now, in this process."""
        of = f" of {self.total}" if self.total else ""
        logs.transient(f"job {self.ended + 1}{of}: {self.labels.get(config_hash, name)}")

    def finished(self, config_hash: str, name: str, test: Quality, validation: Quality, seconds: float) -> None:
        """A job finished, after so many seconds."""
        shown, of = (validation, "validation ") if self.total is None else (test, "")
        outcome = f"{of}accuracy {shown.accuracy:.4f}   loss {shown.loss:7.4f}"
        self._line(self.labels.get(config_hash, name), outcome, seconds)

    def failed(self, config_hash: str, name: str, reason: str, seconds: float) -> None:
        """A job failed, after so many seconds."""
        self._line(self.labels.get(config_hash, name), reason, seconds, logging.WARNING)

    def _line(self, label: str, outcome: str, seconds: float, level: int = logging.INFO) -> None:
        self.ended += 1
        now = time.perf_counter()
        self.first_ended = self.first_ended or now
        counter, remaining = f"[{self.ended}]", ""
        if self.total is not None:
            counter = f"[{self.ended:>{len(str(self.total))}}/{self.total}]"
            if 1 < self.ended < self.total:
                left = (now - self.first_ended) / (self.ended - 1) * (self.total - self.ended)
                remaining = f", {_duration(left)} left"
        log.log(level, f"{counter} {label:<{self.width}}   {outcome}   ({seconds:.1f} s{remaining})")


class Watcher(threading.Thread):
    """Follows the jobs that run in other processes, in the store, and reports each as it ends."""

    def __init__(self, store: Store, sweep_id: str, progress: Progress) -> None:
        super().__init__(daemon=True)
        self._store, self._sweep_id, self._progress = store, sweep_id, progress
        self._seen = {run.id for run in store.children(sweep_id) if run.status in ENDED}
        self._newest = 0
        self._done = threading.Event()

    def run(self) -> None:
        """Look every second until stopped, less often where that takes long; after no answer, look again."""
        pause = POLL_SECONDS
        while not self._done.wait(pause):
            started = time.perf_counter()
            with suppress(StoreError):
                self._look()
            pause = max(POLL_SECONDS, REST * (time.perf_counter() - started))

    def stop(self) -> None:
        """End, after reporting every job that has not been reported."""
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
            test = Quality(metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS])
            validation = Quality(metrics[names.VAL_ACCURACY], metrics[names.VAL_LOSS])
            self._progress.finished(config_hash, run.name, test, validation, seconds)
        else:
            note = run.tags.get(names.NOTE, "").replace("**", "")
            self._progress.failed(config_hash, run.name, note or run.status, seconds)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
