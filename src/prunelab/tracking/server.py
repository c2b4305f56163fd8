"""The MLflow server as a child process: quiet, on this machine alone unless told otherwise, stopped at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, NoReturn

import requests

from prunelab.errors import PrunelabError

START_SECONDS = 120.0
"""Seconds within which it must answer: it needs a few on an idle machine, many on a busy one."""
STOP_SECONDS = 10.0
"""Seconds it has to stop after SIGTERM before it is killed."""


class ServerError(PrunelabError):
    """The MLflow server cannot be started."""


ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Set for the server, which otherwise starts twenty helper processes."""


def command(uri: str, host: str, port: int, workers: int = 1) -> list[str]:
    """The command that serves a store."""
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", str(workers)),
    ]


@contextmanager
def running(uri: str, host: str, port: int, verbose: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers requests; its log goes to the terminal only if `verbose`.

    Raises:
        ServerError: if the port is taken, or the server does not come up.
    """
    _must_be_free(host, port)
    with tempfile.TemporaryFile() as log, _leaving_on_signals():
        # A session of its own, so that its children end with it, and none of them takes the terminal's Ctrl-C.
        process = subprocess.Popen(
            command(uri, host, port),
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=None if verbose else log,
            stderr=None if verbose else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await(process, f"http://{host}:{port}/health", log)
            yield process
        finally:
            _stop(process)


def _must_be_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError, UnicodeError) as error:
            raise ServerError(
                f"cannot listen on port {port} of {host}: {error}; choose another one: "
                f"prunelab-ui --port {port % 60000 + 1}, or make ui PORT={port % 60000 + 1}"
            ) from None


def _await(process: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    log.seek(0)
    last = "\n".join(log.read().decode(errors="replace").splitlines()[-15:])
    state = "did not answer in time" if process.poll() is None else f"ended with status {process.returncode}"
    raise ServerError(f"the MLflow server {state}; the end of its log:\n{last}")


@contextmanager
def _leaving_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as Ctrl-C does: with the server stopped."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its children: with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
