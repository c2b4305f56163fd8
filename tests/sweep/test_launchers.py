"""Launchers that run jobs elsewhere, for real: Ray on a local cluster, submitit in processes of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tests.conftest import SMALL, Project
from tests.server import free_port

from prunelab.sweep.launchers import threads_per_job


@pytest.mark.cluster
def test_ray_runs_a_sweep_on_a_local_cluster(project: Project) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="the extra `ray` is not installed")
    outcome = project.in_a_process(
        *("-m", *SMALL, "percentage=0,50,90", "hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2")
    )
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=3, trainings=1)


@dataclass(frozen=True)
class Cluster:
    """Two Ray nodes on loopback that ask for a token: what a driver's environment needs to join them."""

    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started as docs/cluster.md says, in process groups of their own, which alone are ended."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="the extra `ray` is not installed")
    ray = Path(sys.executable).parent / "ray"
    home = tmp_path_factory.mktemp("home")
    sockets = tempfile.mkdtemp(prefix="pl", dir="/tmp")  # a socket's path has at most 107 characters
    environment = {"RAY_TMPDIR": sockets, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    inherited = {**os.environ, "HOME": str(home), **environment}
    subprocess.run([ray, "get-auth-token", "--generate"], env=inherited, check=True, capture_output=True)
    environment["RAY_AUTH_TOKEN_PATH"] = str(home / ".ray" / "auth_token")
    port = free_port()
    address = f"127.0.0.1:{port}"
    common = ("--block", "--num-cpus=1", "--disable-usage-stats")
    nodes, log = [], home / "ray.log"
    try:
        for role in (("--head", "--include-dashboard=false", f"--port={port}"), (f"--address={address}",)):
            _join(nodes, [ray, "start", *role, *common], address, {**os.environ, **environment}, log)
        yield Cluster(address, environment)
    finally:
        _end(*nodes)
        shutil.rmtree(sockets, ignore_errors=True)


def _join(nodes: list, start: list, address: str, environment: dict[str, str], log: Path) -> None:
    """Add a node to the cluster. Ray itself gives a node 30 s: on a busy machine it is started again."""
    deadline = time.monotonic() + 300

    def started() -> subprocess.Popen:
        with log.open("a") as output:
            return subprocess.Popen(start, env=environment, stdout=output, stderr=output, start_new_session=True)

    nodes.append(started())
    status = [start[0], "status", "--address", address]
    while True:
        told = subprocess.run(status, env=environment, capture_output=True, text=True, check=False)
        if f"/{len(nodes)}.0 CPU" in told.stdout:
            return
        assert time.monotonic() < deadline, told.stdout + told.stderr + log.read_text()
        if nodes[-1].poll() is not None:
            _end(nodes[-1])
            nodes[-1] = started()
        time.sleep(1)


def _end(*nodes: subprocess.Popen) -> None:
    for node in nodes:
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGTERM)
    for node in nodes:
        node.wait(60)


@pytest.mark.cluster
def test_ray_runs_a_sweep_on_a_cluster_of_two_nodes_that_ask_for_a_token(cluster: Cluster, project: Project) -> None:
    outcome = project.in_a_process(
        *("-m", *SMALL, "percentage=0,50,90", "hydra/launcher=ray", "hydra.launcher.ray.init.address=auto"),
        **cluster.environment,
    )
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=3, trainings=1)


@pytest.mark.cluster
def test_a_cluster_that_refuses_the_token_is_said_in_words_and_the_sweep_is_closed(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("0" * 64)
    outcome = project.in_a_process(
        *("-m", *SMALL, "percentage=0", "hydra/launcher=ray"),
        f"hydra.launcher.ray.init.address={cluster.address}",
        **{**cluster.environment, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "wrong")},
    )
    assert outcome.status == 1
    assert "hydra/launcher (RayLauncher) could not run the jobs" in outcome.output
    assert "Traceback" not in outcome.output
    assert [run.info.status for run in project.runs("sweep")] == ["FAILED"]


@pytest.mark.slow
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
