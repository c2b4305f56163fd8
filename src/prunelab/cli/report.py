"""`prunelab-report`: the comparison of recorded sweeps drawn again, from the store alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prunelab.compose import compose_job, split_arguments
from prunelab.config import Job
from prunelab.errors import ConfigError, PrunelabError
from prunelab.loading import say_loading
from prunelab.report.bars import Bars

OUTPUT = Path("comparison")


def main() -> None:
    """The console command."""
    parser = argparse.ArgumentParser(
        prog="prunelab-report",
        description=(
            "Draw the tables, figures and curves of a recorded sweep again, from the store alone, and write them onto "
            "the sweep's run. Of several sweeps: compare them on the same axes, and say how their "
            "configurations differ; that goes into a folder, and nothing into the store."
        ),
        epilog="Any KEY=VALUE is an override as for prunelab, for instance data=digits or tracking.uri=sqlite:////x.db",
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
        help="what stands after ± and is drawn as a band over seeds: the 95%% confidence interval of the mean "
        "(default) or the standard deviation",
    )
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    try:
        if not arguments.list:
            say_loading("prunelab-report")
        job = compose_job(overrides)
        if arguments.list:
            _list(job)
        elif arguments.jobs:
            _list_jobs(job, arguments.sweeps or ["last"])
        else:
            _report(job, arguments.sweeps or ["last"], arguments.output, Bars(arguments.bars))
    except (PrunelabError, OSError) as error:
        sys.exit(f"prunelab-report: {error}")


def _report(job: Job, wanted: Sequence[str], output: Path | None, bars: Bars) -> None:
    from prunelab.sweep.compare import compare
    from prunelab.sweep.orphans import close_abandoned
    from prunelab.sweep.publish import publish
    from prunelab.tracking.existing import existing_store
    from prunelab.tracking.find import find_sweep
    from prunelab.tracking.moved import refuse_outside
    from prunelab.tracking.read import recorded_sweep
    from prunelab.tracking.recorder import Recorder

    store = existing_store(job.tracking, job.experiment_name)
    sweeps = [find_sweep(store, each) for each in wanted]
    if len({sweep.info.run_id for sweep in sweeps}) < len(sweeps):
        raise ConfigError(f"{', '.join(wanted)}: the same sweep twice; comparing takes different ones (--list)")
    if output is not None or len(sweeps) > 1:
        compare(store, sweeps, output or OUTPUT, bars)
        return
    refuse_outside(sweeps[0].info.artifact_uri, job.tracking.artifacts)
    close_abandoned(store, sweeps[0])
    record = Recorder(store.client, sweeps[0].info.run_id)
    publish(store, record, recorded_sweep(store, record.id), bars=bars)
    record.flush()


def _list(job: Job) -> None:
    from prunelab.names import Kind
    from prunelab.report.console import terminal
    from prunelab.sweep.listing import listing
    from prunelab.tracking.existing import existing_store

    terminal().print(listing(existing_store(job.tracking, job.experiment_name).find(Kind.SWEEP)))


def _list_jobs(job: Job, wanted: Sequence[str]) -> None:
    from prunelab.report.console import terminal
    from prunelab.sweep.listing import jobs_of
    from prunelab.tracking.existing import existing_store
    from prunelab.tracking.find import find_sweep

    store = existing_store(job.tracking, job.experiment_name)
    for sweep in [find_sweep(store, each) for each in wanted]:
        terminal().print(jobs_of(sweep, store.children(sweep.info.run_id)[::-1]))
