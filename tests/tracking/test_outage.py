"""A server that goes away costs time and nothing else; a full or read-only disk is said once, statuses are honest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from tests.conftest import SMALL, Project, new_project
from tests.server import free_port

from prunelab.job import run
from prunelab.tracking import outage
from prunelab.tracking.outage import Unreachable, Unwritable, again

SERVER = "http://127.0.0.1:1"
NO_ANSWER = MlflowException("API request to http://x failed with exception HTTPConnectionPool: refused")


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(outage, "time", made)
    return made


def test_five_minutes_without_an_answer_are_waited_for_with_growing_pauses(clock: Clock) -> None:
    def answer() -> str:
        if clock.now < 300:
            raise NO_ANSWER
        return "here"

    assert again(answer, SERVER) == "here"
    assert clock.pauses[:5] == [1, 2, 4, 8, 16]
    assert clock.pauses == sorted(clock.pauses)
    assert 300 <= clock.now < 330


def test_a_server_that_stays_away_ends_the_work_in_words(clock: Clock) -> None:
    def answer() -> str:
        raise NO_ANSWER

    with pytest.raises(Unreachable, match=r"no answer for 7 minutes.*resume=last"):
        again(answer, SERVER)


@pytest.mark.parametrize(
    "error", [MlflowException("no such run"), MlflowException("too many 500 error responses"), KeyError("x")]
)
def test_what_waiting_does_not_help_is_not_waited_for(error: Exception, clock: Clock) -> None:
    def fail() -> str:
        raise error

    with pytest.raises(type(error)):
        again(fail, SERVER)
    assert clock.pauses == []


def test_what_was_done_although_the_answer_was_lost_is_not_done_twice(clock: Clock) -> None:
    done: list[str] = []

    def create() -> str:
        done.append("run")
        raise NO_ANSWER

    assert again(create, SERVER, lambda: done[0] if done else None) == "run"
    assert done == ["run"]


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A real `mlflow server` on a SQLite file."""
    log = (folder / "server.log").open("ab")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")),
        ],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, (folder / "server.log").read_text()
        assert time.monotonic() < deadline, (folder / "server.log").read_text()
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                return process
        except requests.RequestException:
            time.sleep(0.3)


def stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


@pytest.mark.cluster
def test_a_sweep_goes_on_when_its_server_is_killed_and_comes_back(tmp_path: Path, empty_store: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    port = free_port()
    server = start(tmp_path, port)
    sweep = None
    try:
        client = MlflowClient(f"http://127.0.0.1:{port}")
        jobs = ("percentage=0,10,20,30,40,50", "tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
        sweep = subprocess.Popen(
            [sys.executable, "-m", "prunelab", "-m", *SMALL, *jobs],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 120
        while not (experiment := client.get_experiment_by_name("digits-pruning")) or not client.search_runs(
            [experiment.experiment_id], "tags.kind = 'job' and attributes.status = 'FINISHED'"
        ):
            assert sweep.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        stop(server)
        time.sleep(5)
        server = start(tmp_path, port)
        output, _ = sweep.communicate(timeout=300)
        assert sweep.returncode == 0, output
        assert "no answer, asking again" in output
        assert "it answers again" in output
        runs = client.search_runs([experiment.experiment_id])
        kinds = sorted(run.data.tags["kind"] for run in runs)
        assert kinds == ["baseline", "curve", *["job"] * 6, "sweep"]
        assert {run.info.status for run in runs} == {"FINISHED"}
    finally:
        if sweep is not None and sweep.poll() is None:
            sweep.kill()
        stop(server)


@pytest.fixture
def small_disk(tmp_path: Path, empty_store: Path) -> Iterator[Project]:
    """A project on a disk of 32 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield new_project(folder, empty_store)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("sweep", [("-m", "percentage=0,50,90"), ("percentage=50",)], ids=["sweep", "job"])
@pytest.mark.slow
def test_a_full_disk_is_said_once_and_nothing_is_left_running(sweep: tuple[str, ...], small_disk: Project) -> None:
    assert small_disk.prunelab(*SMALL, "percentage=20").status == 0  # what there is to train is trained
    room = os.statvfs(small_disk.folder)
    filler = small_disk.folder / "filler"
    filler.write_bytes(b"x" * (room.f_bavail * room.f_bsize - 60_000))
    outcome = small_disk.in_a_process(*sweep, *SMALL)
    assert outcome.status == 1
    assert outcome.output.count("prunelab: ") == 1
    assert "cannot be written" in outcome.output
    assert "free some room" in outcome.output
    assert "Traceback" not in outcome.output
    filler.unlink()
    states = {run.info.status for kind in ("job", "sweep", "baseline") for run in small_disk.runs(kind)}
    assert states == {"FINISHED", "FAILED"}
    if "-m" in sweep:
        assert small_disk.runs("sweep")[0].info.status == "FAILED"
        again = small_disk.in_a_process(*sweep, *SMALL, "resume=last")
        assert again.status == 0, again.output
        assert small_disk.runs("sweep")[0].info.status == "FINISHED"


def test_a_sweep_that_a_full_disk_ends_draws_no_page(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **named: Any) -> object:
        if named["name"] == "weight-80":
            raise Unwritable("the disk is full")
        return run(*arguments, **named)

    monkeypatch.setattr("prunelab.sweep.worker.run", full)
    assert project.prunelab("-m", *SMALL, "percentage=0,80,90", "measure=off").status == 1
    (sweep,) = project.runs("sweep")
    assert (sweep.info.status, len(project.runs("job"))) == ("FAILED", 1)
    assert [path.path for path in project.client.list_artifacts(sweep.info.run_id)] == ["plan.json"]


@pytest.mark.parametrize(
    "sweep",
    [
        pytest.param(("-m", "percentage=0,50"), id="sweep", marks=pytest.mark.slow),
        pytest.param(("percentage=50",), id="job"),
    ],
)
def test_a_read_only_folder_is_said_in_one_message(sweep: tuple[str, ...], small_disk: Project) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.folder], check=True)
    outcome = small_disk.prunelab(*sweep, *SMALL)
    assert outcome.status == 1
    assert "the store cannot be written" in outcome.output
    assert "Traceback" not in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_folder_for_artifacts_that_cannot_be_written_fails_the_job_and_the_run_says_so(project: Project) -> None:
    project.prunelab(*SMALL, "percentage=20")
    experiment = project.folder / "mlruns/artifacts/digits-pruning"
    experiment.rename(project.folder / "aside")
    experiment.write_text("a file where the folder was")
    outcome = project.prunelab("-m", *SMALL, "percentage=0,50", "data.validation=100")
    assert outcome.status == 1
    assert "cannot be written" in outcome.output
    assert "Traceback" not in outcome.output
    assert "RUNNING" not in {run.info.status for kind in ("job", "sweep", "baseline") for run in project.runs(kind)}


def test_words_for_a_full_disk_name_the_remedy() -> None:
    def full() -> None:
        raise MlflowException("(sqlite3.OperationalError) database or disk is full [SQL: INSERT ...]")

    with pytest.raises(Unwritable, match="disk is full; free some room, then resume=last") as refusal:
        again(full, "sqlite:////x.db")
    assert "SQL" not in str(refusal.value)
