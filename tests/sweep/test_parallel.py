"""Jobs at the same time on a fresh store: nothing missing, nothing doubled, the baseline trained once.

PRUNELAB_ROUNDS sets how often eight workers start on a fresh store (`make soak`: 10).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.conftest import SMALL, Project, computed

from prunelab.compose import compose_job
from prunelab.sweep.launch import trainings_first
from prunelab.sweep.plan import PlannedJob

pytestmark = pytest.mark.usefixtures("unillustrated")
JOBS = ("method=weight,neuron", "percentage=0,20,40,60,80,90,95,99")
ROUNDS = int(os.environ.get("PRUNELAB_ROUNDS", "1"))


@pytest.mark.slow
def test_eight_workers_on_a_fresh_store(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        project = Project(folder)  # not even the schema is there
        outcome = project.prunelab("-m", *SMALL, *JOBS, "hydra/launcher=joblib", "hydra.launcher.n_jobs=8")
        assert outcome.status == 0, outcome.output
        project.assert_whole(jobs=16, trainings=1)
        assert "[16/16]" in outcome.output


def test_the_first_job_of_every_training_starts_before_all_others() -> None:
    def planned(seed: int, percentage: int) -> PlannedJob:
        job = compose_job([*SMALL, f"seed={seed}", f"percentage={percentage}"])
        return PlannedJob({}, job, {}, f"{seed}-{percentage}")

    jobs = [planned(seed, percentage) for seed in (0, 1, 2) for percentage in (20, 50)]
    assert [job.hash for job in trainings_first(jobs, 1)] == ["0-20", "1-20", "2-20", "0-50", "1-50", "2-50"]


@pytest.mark.slow
def test_parallel_jobs_give_the_same_numbers_as_serial_ones(project: Project) -> None:
    sweep = ("-m", *SMALL, "method=weight,neuron", "percentage=0,50")
    project.prunelab(*sweep, "tracking.experiment_name=serial")
    project.prunelab(*sweep, "tracking.experiment_name=parallel", "hydra/launcher=joblib", "hydra.launcher.n_jobs=8")
    serial, parallel = (
        {
            run.info.run_name: computed(run)
            for run in project.runs("job")
            if project.client.get_experiment(run.info.experiment_id).name == name
        }
        for name in ("serial", "parallel")
    )
    assert serial == parallel
    assert len(serial) == 4


@pytest.mark.slow
def test_a_store_locked_by_another_process_for_ten_seconds_is_waited_for(project: Project) -> None:
    project.prunelab(*SMALL, "percentage=0")
    release = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(project.database, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        release.wait(60)
        time.sleep(10)
        connection.execute("COMMIT")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.5)
    started = time.monotonic()
    release.set()
    outcome = project.prunelab("-m", *SMALL, "percentage=0,50")
    holder.join()
    assert time.monotonic() - started >= 9
    assert outcome.status == 0, outcome.output
    assert len([run for run in project.runs("job") if run.info.status == "FINISHED"]) == 3
