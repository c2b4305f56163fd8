"""`prunelab-report`: the comparison of a recorded sweep drawn again, from the store alone."""

from __future__ import annotations

import argparse
import sys

from prunelab.compose import compose_job, split_arguments
from prunelab.errors import PrunelabError


def main() -> None:
    """The console command."""
    parser = argparse.ArgumentParser(
        prog="prunelab-report",
        description="Draw the tables, figures and curves of a recorded sweep again, from the store alone.",
        epilog="Any KEY=VALUE is an override as for prunelab, for instance data=digits or tracking.uri=sqlite:////x.db",
    )
    parser.add_argument("sweep", nargs="?", default="last", help="run id or name of a sweep; the newest by default")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    overrides, others = split_arguments(sys.argv[1:])
    sweep = parser.parse_args(others).sweep
    try:
        job = compose_job(overrides)
        from prunelab.sweep.orphans import close_abandoned
        from prunelab.sweep.publish import publish
        from prunelab.tracking.existing import existing_store
        from prunelab.tracking.find import find_sweep
        from prunelab.tracking.store import Recorder

        store = existing_store(job.tracking, job.experiment_name)
        found = find_sweep(store, sweep)
        close_abandoned(store, found)
        record = Recorder(store.client, found.info.run_id)
        publish(store, record)
        record.flush()
    except PrunelabError as error:
        sys.exit(f"prunelab-report: {error}")
