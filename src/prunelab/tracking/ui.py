"""`prunelab-ui`: the MLflow UI on this project's store, on 127.0.0.1, and the address of the comparison in it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import webbrowser
from urllib.parse import quote

from prunelab.compose import compose_job, split_arguments
from prunelab.errors import PrunelabError

FILTER = "tags.kind = 'curve'"


def main() -> None:
    """The console command."""
    parser = argparse.ArgumentParser(
        prog="prunelab-ui",
        description="Serve the MLflow UI on this project's store and print the address of the comparison in it.",
        epilog="Any KEY=VALUE is an override as for prunelab, for instance data=digits or tracking.uri=sqlite:////x.db",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    try:
        job = compose_job(overrides)
        from prunelab.tracking.store import open_store

        store = open_store(job.tracking, job.experiment_name)
    except PrunelabError as error:
        sys.exit(f"prunelab-ui: {error}")
    address = comparison(f"http://{arguments.host}:{arguments.port}", store.experiment_id)
    print(f"comparison: {address}", flush=True)
    if not arguments.no_browser and sys.stdout.isatty():
        webbrowser.open(address)
    sys.exit(subprocess.call(server(job.tracking.uri, arguments.host, arguments.port), env=quiet_environment()))


def comparison(server_address: str, experiment_id: str) -> str:
    """The page that draws every method's curve in one chart: the chart view of the curve runs."""
    return f"{server_address}/#/experiments/{experiment_id}/runs?compareRunsMode=CHART&searchFilter={quote(FILTER)}"


def server(uri: str, host: str, port: int) -> list[str]:
    """The command that serves a store."""
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"),
    ]


def quiet_environment() -> dict[str, str]:
    """Without telemetry, and without the twenty helper processes of MLflow's job execution."""
    return {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
