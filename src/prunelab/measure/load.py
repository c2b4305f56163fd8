"""How busy the machine is while something is timed on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch

TICK = 0.01
"""Seconds, for each core, that the system's account of processor time may be off."""


@dataclass(frozen=True, slots=True)
class Load:
    """`others`: cores that other processes kept busy; `own`: this process's threads; `cores`: those of the machine.

    `average`: the system's load average of the last minute, which includes this process and what it did before.
    """

    others: float
    own: int
    cores: int
    average: float

    @property
    def short(self) -> float:
        """Cores that are missing for every thread and process to have one."""
        return max(0.0, self.own + self.others - self.cores)

    def __str__(self) -> str:
        """`2 threads on 2 cores, of which others kept 1.9 busy; load average 8.8`."""
        threads, cores = (
            f"{count} {what}{'' if count == 1 else 's'}" for count, what in ((self.own, "thread"), (self.cores, "core"))
        )
        return f"{threads} on {cores}, of which others kept {self.others:.1f} busy; load average {self.average:.1f}"


def watching() -> Callable[[], Load]:
    """Start watching: the function that is returned gives the load from now until it is called.

    `others` is a lower bound: over less than a `TICK` for each core it is zero.
    """
    began, busy, own = time.monotonic(), _busy(), time.process_time()

    def load() -> Load:
        cores = psutil.cpu_count() or 1
        theirs = (_busy() - busy) - (time.process_time() - own) - cores * TICK
        others = max(0.0, theirs) / max(time.monotonic() - began, TICK)
        return Load(min(others, float(cores)), torch.get_num_threads(), cores, psutil.getloadavg()[0])

    return load


def _busy() -> float:
    """Seconds that all cores together have been busy since the machine started, time taken by a hypervisor included."""
    times = psutil.cpu_times()._asdict()
    idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is in the user's too
    return float(sum(seconds for what, seconds in times.items() if what not in idle))
