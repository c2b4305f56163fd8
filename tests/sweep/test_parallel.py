"""Parallel launchers on a fresh store: nothing missing, nothing doubled, the baseline trained once.

PRUNELAB_ROUNDS sets how often eight workers start on a fresh store (`make soak`: 20).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.conftest import SMALL, Project, computed

from prunelab.sweep.launchers import threads_per_job

JOBS = ("method=weight,neuron", "percentage=0,20,40,60,80,90,95,99")
ROUNDS = int(os.environ.get("PRUNELAB_ROUNDS", "1"))


def assert_whole(project: Project, jobs: int, trainings: int) -> None:
    """Every job FINISHED and there once, under one FINISHED parent, on this many baselines."""
    runs = project.runs("job")
    assert Counter(run.info.status for run in runs) == {"FINISHED": jobs}
    assert len({run.data.tags["config_hash"] for run in runs}) == jobs
    assert [run.info.status for run in project.runs("baseline")] == ["FINISHED"] * trainings
    (sweep,) = project.runs("sweep")
    assert sweep.info.status == "FINISHED"
    assert len(project.artifact(sweep, "results.csv").read_text().splitlines()) == jobs + 1


def test_eight_workers_on_a_fresh_store(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        project = Project(folder)  # not even the schema is there
        outcome = project.prunelab("-m", *SMALL, *JOBS, "hydra/launcher=joblib", "hydra.launcher.n_jobs=8")
        assert outcome.status == 0, outcome.output
        assert_whole(project, jobs=16, trainings=1)
        assert "[16/16]" in outcome.output


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


def test_ray_runs_a_sweep_on_a_local_cluster(project: Project) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="the extra `ray` is not installed")
    outcome = project.in_a_process(
        *("-m", *SMALL, "percentage=0,50,90", "hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2")
    )
    assert outcome.status == 0, outcome.output
    assert_whole(project, jobs=3, trainings=1)


def test_submitit_runs_a_sweep_in_processes_of_its_own(project: Project) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `submitit` is not installed")
    outcome = project.in_a_process("-m", *SMALL, "percentage=0,90", "hydra/launcher=submitit_local")
    assert outcome.status == 0, outcome.output
    assert_whole(project, jobs=2, trainings=1)


@pytest.mark.parametrize(
    ("launcher", "threads"),
    [
        ({"_target_": "x.BasicLauncher"}, None),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 2}, 4),
        ({"_target_": "x.JoblibLauncher", "n_jobs": -1}, 1),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 100}, 1),
        ({"_target_": "x.RayLauncher", "ray": {"remote": {"num_cpus": 3}}}, 3),
        ({"_target_": "x.SlurmLauncher", "cpus_per_task": 6}, 6),
    ],
)
def test_threads_are_shared_between_the_jobs_that_run_at_once(
    launcher: dict, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert threads_per_job(OmegaConf.create(launcher)) == threads
