"""`prunelab-report`: redraw the report of a recorded sweep, or compare several sweeps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunelab import names
from prunelab.cli.command import OVERRIDES, command, listing, started
from prunelab.errors import ConfigError
from prunelab.report.bars import Bars

if TYPE_CHECKING:
    from prunelab.tracking.run import Run
    from prunelab.tracking.store import Store

OUTPUT = Path("comparison")


def main() -> None:
    """The console command."""
    with command(_parser()) as (here, arguments):
        wanted = arguments.sweeps or ["last"]
        if arguments.list:
            _print_sweeps(here.store)
        elif arguments.jobs:
            _print_jobs(here.store, wanted)
        else:
            _report(here.store, wanted, arguments.output, Bars(arguments.bars))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-report",
        description=(
            "Redraw the tables, figures and curves of a recorded sweep from the store, and write them to its run. "
            "Given several sweeps, compare them on the same axes and show how their configurations differ; this is "
            "written to a folder, and the store is not changed."
        ),
        epilog=OVERRIDES,
    )
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help="run ids or names; by default the newest sweep")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    parser.add_argument("--list", action="store_true", help="list the sweeps in the store, the newest first")
    parser.add_argument("--jobs", action="store_true", help="list the jobs of the sweeps, with their run ids")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"write into this folder instead of the store (several sweeps: {OUTPUT}/ by default)",
    )
    parser.add_argument(
        "--bars",
        choices=[bars.value for bars in Bars],
        default=Bars.INTERVAL.value,
        help="what ± and the bands over seeds show: the 95%% confidence interval of the mean "
        "(default) or the standard deviation",
    )
    return parser


def _report(store: Store, wanted: Sequence[str], output: Path | None, bars: Bars) -> None:
    from prunelab.cli.compare import compare
    from prunelab.sweep.orphans import close_abandoned
    from prunelab.sweep.publish import publish
    from prunelab.tracking.addresses import refuse_outside
    from prunelab.tracking.find import find_sweep

    sweeps = [find_sweep(store, each) for each in wanted]
    if len({sweep.id for sweep in sweeps}) < len(sweeps):
        raise ConfigError(f"{', '.join(wanted)}: the same sweep twice; a comparison needs different ones (--list)")
    if output is not None or len(sweeps) > 1:
        compare(store, sweeps, output or OUTPUT, bars)
        return
    refuse_outside(sweeps[0].address, store.tracking.artifacts)
    close_abandoned(store, sweeps[0])
    store = store.of(sweeps[0])
    record = store.recorder(sweeps[0].id)
    publish(store, record, store.sweep(record.id), bars=bars)
    record.flush()


def _print_sweeps(store: Store) -> None:
    from prunelab.report.console import terminal

    table = listing("sweep", "run id", "started", "finished", "status")
    for sweep in store.find(names.Kind.SWEEP):
        table.add_row(sweep.name, sweep.id, started(sweep.started), _finished(sweep.metrics), _status(sweep))
    terminal().print(table)


def _print_jobs(store: Store, wanted: Sequence[str]) -> None:
    from prunelab.report.console import terminal
    from prunelab.tracking.find import find_sweep

    for sweep in [find_sweep(store, each) for each in wanted]:
        table = listing("job", "run id", "recovery", "seed", "test accuracy", "status", title=sweep.name)
        for job in reversed(store.children(sweep.id)):
            accuracy = job.metrics.get(names.TEST_ACCURACY)
            cells = [job.params.get(key, "") for key in ("recovery", "seed")]
            measured = "" if accuracy is None else f"{accuracy:.4f}"
            table.add_row(job.name, job.id, *cells, measured, _status(job))
        terminal().print(table)


def _finished(metrics: dict[str, float]) -> str:
    """Finished jobs of all; a sweep counts them when it ends."""
    counts = [metrics.get(name) for name in (names.JOBS_FINISHED, names.JOBS_FAILED, names.JOBS_NOT_RUN)]
    known = [int(count) for count in counts if count is not None]
    return f"{known[0]} of {sum(known)}" if len(known) == len(counts) else ""


def _status(run: Run) -> str:
    return "RUNNING, process gone" if run.is_abandoned else run.status
