"""`prunelab-ui`: the MLflow UI on this project's store, on 127.0.0.1, and the address of the comparison in it."""

from __future__ import annotations

import argparse
import os
import re
import sys
import webbrowser
from contextlib import suppress

from prunelab.compose import compose_job, split_arguments
from prunelab.errors import PrunelabError
from prunelab.loading import say_loading
from prunelab.tracking import views


def main() -> None:
    """The console command."""
    overrides, others = split_arguments(sys.argv[1:])
    arguments = _parser().parse_args(others)
    say_loading("prunelab-ui")
    try:
        with suppress(KeyboardInterrupt):
            _look(overrides, arguments)
    except (PrunelabError, OSError) as error:
        sys.exit(f"prunelab-ui: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-ui",
        description="Serve the MLflow UI on this project's store and print the address of the comparison in it.",
        epilog="Any KEY=VALUE is an override as for prunelab, for instance data=digits or "
        "tracking.uri=sqlite:////x.db; with tracking=server nothing is started: the addresses are that server's",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    parser.add_argument("--no-browser", action="store_true", help="print the addresses only")
    parser.add_argument("--verbose", action="store_true", help="show the MLflow server's own log")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    return parser


def _look(overrides: list[str], arguments: argparse.Namespace) -> None:
    """Print where to look, at a team's server, or at one of our own that stays until it is interrupted."""
    job = compose_job(overrides)
    from prunelab.tracking.addresses import sqlite_file
    from prunelab.tracking.existing import existing_store
    from prunelab.tracking.server import running

    store = existing_store(job.tracking, job.experiment_name)
    known = store.client.get_experiment(store.experiment_id).tags
    if sqlite_file(job.tracking.uri) is None:
        _show(re.sub(r"//[^/]*@", "//", job.tracking.uri), store.experiment_id, known, not arguments.no_browser)
        return
    address = f"http://{arguments.host}:{arguments.port}"
    print(f"starting the MLflow UI on {address} (Ctrl-C ends it)", flush=True)
    with running(job.tracking.uri, arguments.host, arguments.port, arguments.verbose) as server:
        _show(address, store.experiment_id, known, not arguments.no_browser)
        sys.exit(server.wait())


def _show(server: str, experiment_id: str, known: dict[str, str], browser: bool) -> None:
    comparison = views.comparison_address(server.rstrip("/"), experiment_id, known)
    print(f"comparison: {comparison}")
    print(f"runs:       {views.runs_address(server.rstrip('/'), experiment_id, known)}", flush=True)
    if browser and sys.stdout.isatty() and _desktop():
        webbrowser.open(comparison)


def _desktop() -> bool:
    """Whether a browser would be a window: a text browser would take the terminal over."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
