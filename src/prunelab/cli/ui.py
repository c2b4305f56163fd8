"""`prunelab-ui`: serve the MLflow UI for this project's store on 127.0.0.1, opened on the comparison."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import webbrowser

from prunelab import interruption
from prunelab.cli.command import OVERRIDES, Here, command
from prunelab.tracking import views

log = logging.getLogger(__name__)


def main() -> None:
    """The console command."""
    with command(_parser()) as (here, arguments):
        try:
            _look(here, arguments)
        except KeyboardInterrupt:
            pass
        finally:
            interruption.listen()  # Ctrl-C is how the UI ends: there is no interruption to report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-ui",
        description="Serve the MLflow UI on this project's store and print the address of the comparison in it.",
        epilog=f"{OVERRIDES} The comparison is that of the newest sweep. With tracking=server nothing is started: the "
        "addresses are that server's. With -v the MLflow server's own log is shown.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    parser.add_argument("--no-browser", action="store_true", help="print the addresses only")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    return parser


def _look(here: Here, arguments: argparse.Namespace) -> None:
    """Print where to look, at a team's server, or at a server started here, which runs until it is interrupted."""
    store = here.store.newest()
    from prunelab.tracking.addresses import sqlite_file
    from prunelab.tracking.server import running

    uri, known = store.tracking.uri, store.experiment_tags()
    if sqlite_file(uri) is None:
        _show(re.sub(r"//[^/]*@", "//", uri), store.experiment_id, known, not arguments.no_browser)
        return
    address = f"http://{arguments.host}:{arguments.port}"
    log.info("starting the MLflow UI on %s (Ctrl-C ends it)", address)
    verbose = log.isEnabledFor(logging.DEBUG)
    with running(uri, arguments.host, arguments.port, verbose) as server:
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
