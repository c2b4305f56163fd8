"""How busy the machine is while something is timed on it."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch


@dataclass(frozen=True, slots=True)
class Load:
    """`average`: threads that ran or waited to run, over the last minute, on all of `cores`; `own`: this process's."""

    average: float
    own: int
    cores: int

    def __str__(self) -> str:
        """`load average 3.5 on 2 cores, 2 threads of its own`."""
        cores = f"{self.cores} core{'' if self.cores == 1 else 's'}"
        return f"load average {self.average:.1f} on {cores}, {self.own} thread{'' if self.own == 1 else 's'} of its own"


def load() -> Load:
    """Now. A minute's average remembers the training before it: up to `own` of it is this process itself."""
    return Load(psutil.getloadavg()[0], torch.get_num_threads(), psutil.cpu_count() or 1)
