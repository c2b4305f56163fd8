"""A worker process that is killed costs the jobs that ran in its pool: FAILED with the reason; resuming runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from tests.conftest import SMALL, Project

SWEEP = ("-m", *SMALL, "recovery=finetune", "recovery.epochs=20", "percentage=0,10,20,30,40,50")
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.mark.slow
def test_the_others_go_on_the_killed_job_says_why_and_resuming_finishes_it(project: Project) -> None:
    sweep = subprocess.Popen(
        [sys.executable, "-m", "prunelab", *SWEEP, *JOBLIB],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 240
        while not (running := [job for job in project.runs("job") if job.info.status == "RUNNING"]):
            assert sweep.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(int(running[0].data.tags["process.pid"]), signal.SIGKILL)
        output, _ = sweep.communicate(timeout=300)
    finally:
        if sweep.poll() is None:
            sweep.kill()
    assert sweep.returncode == 1
    assert "jobs did not finish" in output
    assert "Traceback" not in output
    jobs = project.runs("job")
    failed = [job for job in jobs if job.info.status == "FAILED"]
    assert running[0].info.run_id in [job.info.run_id for job in failed]
    assert 1 <= len(failed) <= 2  # of two workers
    assert all("worker process died (SIGKILL" in job.data.tags["mlflow.note.content"] for job in failed)
    assert sum(job.info.status == "FINISHED" for job in jobs) == 6 - len(failed)
    assert [run.info.status for run in project.runs("sweep")] == ["FAILED"]
    again = project.prunelab(*SWEEP, "resume=last")
    assert again.status == 0, again.output
    assert f"{6 - len(failed)} of 6 jobs are done" in again.output
    assert [run.info.status for run in project.runs("sweep")] == ["FINISHED"]
