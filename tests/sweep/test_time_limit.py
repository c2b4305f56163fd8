"""The end of a job's time on Slurm, as submitit's own handler tells it, and the states that Slurm gives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from submitit.core.job_environment import SignalHandler
from submitit.core.utils import DelayedSubmission, JobPaths
from submitit.slurm.slurm import SlurmJobEnvironment

from prunelab import interruption
from prunelab.names import Kind
from prunelab.sweep import slurm
from prunelab.tracking.store import Store


@pytest.fixture
def job_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGUSR2 is what Slurm sends to a job of submitit's whose time is over for the last time."""
    monkeypatch.setattr(interruption, "_requests", [])
    submission = DelayedSubmission(print)
    submission.set_timeout(timeout_min=0, max_num_timeout=0)
    handler = SignalHandler(SlurmJobEnvironment(), JobPaths(tmp_path, job_id="1"), submission)
    before = signal.signal(signal.SIGUSR2, handler.checkpoint_and_try_requeue)
    slurm.listen()
    yield
    signal.signal(signal.SIGUSR2, before)


def _handled() -> None:
    """As reading a checkpoint does, which it then reports as damaged."""
    try:
        _time_is_over()
    except Exception:
        return


def _dropped() -> None:
    """As a callback of C code does, after which the library raises an error of its own."""
    try:
        _time_is_over()
    except BaseException:
        raise ValueError("an error of a library's own") from None


def _time_is_over() -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    time.sleep(0.01)


@pytest.mark.usefixtures("job_at_its_end")
@pytest.mark.parametrize("code", [_handled, _dropped])
def test_a_job_out_of_time_fails_with_that_reason_whatever_code_it_was_in(
    code: Callable[[], None], store: Store
) -> None:
    with pytest.raises(interruption.OutOfTime), store.run(Kind.JOB, "job") as run:
        code()
    ended = store.client.get_run(run.id)
    assert ended.info.status == "FAILED"
    assert "timed-out" in ended.data.tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("state", "queue", "done"),
    [
        ("CONFIGURING", "", False),
        ("SUSPENDED", "", False),
        ("CANCELLED by 0", "", True),
        ("TIMEOUT", "", True),
        ("PREEMPTED", "7|PENDING", False),  # it was put back into the queue
        ("PREEMPTED", "8|PENDING", True),
        ("PREEMPTED", None, False),  # Slurm does not say
    ],
)
def test_a_job_is_done_in_the_states_after_which_it_gives_no_result(
    state: str, queue: str | None, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, said in (("sacct", f"JobID|State|NodeList\n7|{state}|node"), ("squeue", queue)):
        (tmp_path / command).write_text("#!/bin/sh\n" + ("exit 1" if said is None else f"cat <<END\n{said}\nEND\n"))
        (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    watcher = slurm._job_class().watcher
    watcher.register_job("7")
    assert watcher.is_done("7", mode="force") is done
