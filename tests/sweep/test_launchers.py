"""Launchers that run jobs elsewhere, for real: Ray on a local cluster, submitit in processes of its own."""

from __future__ import annotations

import os

import pytest
from omegaconf import OmegaConf
from tests.conftest import SMALL, Project

from prunelab.sweep.launchers import threads_per_job


def test_ray_runs_a_sweep_on_a_local_cluster(project: Project) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="the extra `ray` is not installed")
    outcome = project.in_a_process(
        *("-m", *SMALL, "percentage=0,50,90", "hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2")
    )
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=3, trainings=1)


def test_submitit_runs_a_sweep_in_processes_of_its_own(project: Project) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `submitit` is not installed")
    outcome = project.in_a_process("-m", *SMALL, "percentage=0,90", "hydra/launcher=submitit_local")
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=2, trainings=1)


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
