"""What it costs an MLflow server on PostgreSQL (both on this machine) to write a job, beside the same writes to SQLite.

python -m benchmarks server        a minute; needs the extras of `make setup`
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import psutil
from tests.server import serving

from benchmarks.ratio import Ratio
from prunelab.config import Tracking
from prunelab.names import Kind
from prunelab.tracking.environment import provenance
from prunelab.tracking.opening import open_store
from prunelab.tracking.store import Store

JOBS = 60
METRICS, PARAMS = 60, 20


def measure() -> list[Ratio]:
    """Seconds a job, one after the other; and the processor's seconds that server and database spend on one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        local = _store(f"sqlite:///{folder}/mlflow.db", folder, folder / "local")
        sqlite = _each(local)
        with serving(folder) as server:
            remote, processes = _store(server.address, folder, None), (server.mlflow, server.postgres)
            before = [_cpu(process) for process in processes]
            served = _each(remote)
            spent = [(_cpu(process) - was) / JOBS for process, was in zip(processes, before, strict=True)]
            requested = len(re.findall(r'"(?:GET|POST|PUT) /api', server.log.read_text()))
    print(
        f"a job on the server: {1000 * spent[0]:.0f} ms of MLflow's core, {1000 * spent[1]:.0f} ms of PostgreSQL's, "
        f"{requested / (JOBS + 1):.0f} requests",
        flush=True,
    )
    return [Ratio("writing a job to a server on PostgreSQL / to SQLite", served, sqlite, None, JOBS)]


def _store(uri: str, folder: Path, artifacts: Path | None) -> Store:
    return open_store(Tracking(uri=uri, artifacts=artifacts, experiment_name=None, locks=folder / "locks"), "bench")


def _each(store: Store) -> float:
    """Seconds that it takes to write a job."""
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


def _cpu(pid: int) -> float:
    """Seconds of processor time of a process and its children."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])
