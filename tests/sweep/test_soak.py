"""Weeks in minutes: servers, workers, disks and processes that fail at random moments of a sweep of sixty jobs.

Whatever happens, after as many `resume=last` as it takes every job is there once, with the digits of an undisturbed
sweep, and nothing is left RUNNING. PRUNELAB_ROUNDS says how often each is tried, PRUNELAB_SEED at which moments
(`make soak`); without it these tests are skipped.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.conftest import SMALL, Project, computed, new_project
from tests.server import free_port
from tests.sweep.moments import Process, at_some_job
from tests.sweep.test_interruption import start
from tests.tracking.test_outage import start as start_server
from tests.tracking.test_outage import stop as stop_server

from prunelab import names

ROUNDS = int(os.environ.get("PRUNELAB_ROUNDS", "0"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ROUNDS, reason="these run for long: make soak, or set PRUNELAB_ROUNDS"),
]
JOBS = 60
SWEEP = ("-m", *SMALL, "measure=off", "method=weight,neuron", "percentage=range(0,90,3)")
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
LAUNCHERS = pytest.mark.parametrize("launcher", [(), JOBLIB], ids=["serial", "joblib"])
AGAIN = 12
"""How often a sweep may have to be resumed."""


def digits(project: Project) -> dict[str, dict[str, float]]:
    """What the jobs came to, by their config hash: each of them there once, and nothing left open."""
    assert [run.info.status for run in project.runs("sweep")] == ["FINISHED"]
    jobs = project.runs("job")
    assert not [
        run.info.run_name for kind in ("job", "baseline") for run in project.runs(kind) if run.info.status == "RUNNING"
    ]
    finished = [job for job in jobs if job.info.status == "FINISHED"]
    found = {job.data.tags[names.CONFIG_HASH]: computed(job) for job in finished}
    assert len(found) == len(finished) == JOBS
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> dict[str, dict[str, float]]:
    project = new_project(tmp_path_factory.mktemp("undisturbed"), empty_store)
    process = start(project, *SWEEP)
    process.join()
    assert process.exitcode == 0, said(project)
    return digits(project)


@pytest.fixture
def moments() -> random.Random:
    return random.Random(os.environ.get("PRUNELAB_SEED", "3"))


@pytest.fixture(params=range(ROUNDS))
def fresh(
    tmp_path: Path, empty_store: Path, request: pytest.FixtureRequest, moments: random.Random
) -> Iterator[Project]:
    """A project for each round, with moments of its own."""
    moments.seed(f"{os.environ.get('PRUNELAB_SEED', '3')} {request.node.name}")
    (tmp_path / "project").mkdir()
    yield new_project(tmp_path / "project", empty_store)
    shutil.rmtree(tmp_path, ignore_errors=True)


def said(project: Project) -> str:
    with suppress(OSError):
        return (project.folder / "output.txt").read_text()
    return ""


def ended(process: Process, seconds: float = 1500) -> int | None:
    process.join(seconds)
    assert not process.is_alive(), "it hangs"
    return process.exitcode


def resumed(project: Project, *arguments: str) -> None:
    """Resume until it is whole."""
    for _ in range(AGAIN):
        resume = ("resume=last",) if project.runs("sweep") else ()
        if ended(start(project, *SWEEP, *arguments, *resume)) == 0:
            return
    raise AssertionError(said(project))


@contextmanager
def served(project: Project) -> Iterator[tuple[list[subprocess.Popen[bytes]], int, tuple[str, ...]]]:
    """An MLflow server on the project's database: its process in a list, the port, and what makes a sweep use it."""
    port = free_port()
    server = [start_server(project.folder / "mlruns", port)]
    try:
        yield server, port, ("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
    finally:
        stop_server(server[0])


@LAUNCHERS
def test_a_server_that_is_away_costs_time_alone(
    launcher: Sequence[str], fresh: Project, moments: random.Random, undisturbed: dict[str, dict[str, float]]
) -> None:
    with served(fresh) as (server, port, there):
        process = start(fresh, *SWEEP, *launcher, *there)
        for number in sorted(moments.sample(range(JOBS - 5), 2)):
            assert at_some_job(process, fresh, number), said(fresh)
            time.sleep(moments.random())
            stop_server(server[0])
            time.sleep(moments.uniform(5, 60))
            server[0] = start_server(fresh.folder / "mlruns", port)
        assert ended(process) == 0, said(fresh)
        assert len(fresh.runs("job")) == JOBS
        assert digits(fresh) == undisturbed


def test_killed_workers_cost_the_jobs_they_ran_and_resuming_runs_those(
    fresh: Project, moments: random.Random, undisturbed: dict[str, dict[str, float]]
) -> None:
    process = start(fresh, *SWEEP, *JOBLIB)
    assert process.pid is not None
    for number in sorted(moments.sample(range(JOBS - 5), 2)):
        if not at_some_job(process, fresh, number):
            break
        time.sleep(moments.random())
        with suppress(psutil.NoSuchProcess):
            workers = [child for child in psutil.Process(process.pid).children() if _is_worker(child)]
            if workers:
                moments.choice(workers).kill()
    ended(process)
    resumed(fresh, *JOBLIB)
    assert digits(fresh) == undisturbed


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "popen_loky" in " ".join(process.cmdline())
    return False


def test_a_disk_that_fills_up_ends_the_sweep_honestly_and_resuming_completes_it(
    tmp_path: Path,
    empty_store: Path,
    fresh: Project,
    moments: random.Random,
    undisturbed: dict[str, dict[str, float]],
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        project = new_project(folder, empty_store)
        process = start(project, *SWEEP)
        assert at_some_job(process, project, moments.randrange(1, JOBS - 10)), said(project)
        room = os.statvfs(folder)
        filler = folder / "filler"
        with suppress(OSError):
            filler.write_bytes(b"x" * (room.f_bavail * room.f_bsize - moments.randrange(0, 200_000)))
        assert ended(process) == 1, said(project)
        filler.unlink()
        states = {run.info.status for kind in ("job", "sweep", "baseline") for run in project.runs(kind)}
        assert states <= {"FINISHED", "FAILED"}
        resumed(project)
        assert digits(project) == undisturbed
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_store_that_is_moved_or_copied_between_sweep_and_resume(
    how: str, fresh: Project, moments: random.Random, undisturbed: dict[str, dict[str, float]]
) -> None:
    process = start(fresh, *SWEEP)
    if at_some_job(process, fresh, moments.randrange(0, JOBS - 5)):
        time.sleep(moments.random() / 4)
        process.kill()
    ended(process)
    target = fresh.folder.parent / "another place"
    if how == "moved":
        fresh.folder.rename(target)
    else:
        shutil.copytree(fresh.folder, target)
    project = Project(target)
    before = len(fresh.runs("job")) if how == "copied" else 0
    resumed(project)
    assert digits(project) == undisturbed
    if how == "copied":
        assert len(fresh.runs("job")) == before, "the original is left alone"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@pytest.mark.parametrize("store", ["files", "server"])
@LAUNCHERS
def test_an_interrupted_sweep_is_resumed_to_the_same_digits(
    store: str,
    launcher: Sequence[str],
    fresh: Project,
    moments: random.Random,
    undisturbed: dict[str, dict[str, float]],
) -> None:
    def interrupted(*there: str) -> None:
        number = moments.choice(SIGNALS)
        process = start(fresh, *SWEEP, *launcher, *there)
        assert process.pid is not None
        if at_some_job(process, fresh, moments.randrange(0, JOBS - 5)):
            time.sleep(moments.random() / 2)
            os.kill(process.pid, number)
        ended(process)
        if number is not signal.SIGKILL and fresh.runs("sweep"):
            assert fresh.runs("sweep")[0].info.status in ("KILLED", "FINISHED")
        resumed(fresh, *launcher, *there)
        assert digits(fresh) == undisturbed

    if store == "files":
        interrupted()
        return
    with served(fresh) as (_, _, there):
        interrupted(*there)
