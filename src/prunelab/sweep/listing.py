"""The sweeps of a store, and the jobs of a sweep, a line each."""

from __future__ import annotations

from datetime import datetime

from rich.table import Table

from prunelab import names
from prunelab.tracking.run import Run


def listing(sweeps: list[Run]) -> Table:
    """For the terminal."""
    table = Table()
    for heading in ("sweep", "run id", "started"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "run id")
    table.add_column("finished", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for sweep in sweeps:
        started = datetime.fromtimestamp(sweep.started / 1000).strftime("%Y-%m-%d %H:%M")
        table.add_row(sweep.name, sweep.id, started, _jobs(sweep.metrics), _status(sweep))
    return table


def jobs_of(sweep: Run, jobs: list[Run]) -> Table:
    """The jobs of a sweep, a line each, for the terminal."""
    table = Table(title=sweep.name, title_justify="left")
    for heading in ("job", "run id", "recovery", "seed", "test accuracy", "status"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "job")
    for job in jobs:
        accuracy = job.metrics.get(names.TEST_ACCURACY)
        cells = [job.params.get(key, "") for key in ("recovery", "seed")]
        measured = "" if accuracy is None else f"{accuracy:.4f}"
        table.add_row(job.name, job.id, *cells, measured, _status(job))
    return table


def _jobs(metrics: dict[str, float]) -> str:
    """Finished of all; a sweep counts them when it ends."""
    counts = [metrics.get(name) for name in (names.JOBS_FINISHED, names.JOBS_FAILED, names.JOBS_NOT_RUN)]
    known = [int(count) for count in counts if count is not None]
    return f"{known[0]} of {sum(known)}" if len(known) == len(counts) else ""


def _status(run: Run) -> str:
    return "RUNNING, process gone" if run.is_abandoned else run.status
