"""A real Slurm of one node on loopback: a sweep through it, jobs that are cancelled or run out of time.

It takes Debian's slurm-wlm and munge, and root; .ci/run installs them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from tests.conftest import SMALL, Outcome, Project, computed, new_project
from tests.server import free_port

from prunelab import names

pytestmark = pytest.mark.cluster

CONFIGURATION = """
KillWait=2
ClusterName=prunelab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=2
SchedulerParameters=sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=null")
SWEEP = ("-m", *SMALL, "method=weight,neuron", "percentage=0,50")
WAITING = """
import time
from pathlib import Path
import torch
def mine(network, graph, calibration):
    while Path("{gate}").exists():
        time.sleep(0.1)
    return {{layer.weight: torch.ones(graph.shapes[layer.weight]) for layer in graph.prunable}}
"""


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """What a process needs in its environment to reach it. Its daemons are gone afterwards."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "squeue") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons are started by root only")
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # a socket's path has at most 107 characters
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, controller=free_port(), node=free_port()))
    environment = {"SLURM_CONF": str(configuration)}
    inherited = {**os.environ, **environment}
    files = ("key-file=key", "socket=munge.socket", "pid-file=munge.pid", "log-file=munge.log", "seed-file=seed")
    munge = [f"--{file.partition('=')[0]}={folder / file.partition('=')[2]}" for file in files]
    daemons = []
    try:
        for command in (["munged", "--foreground", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            log = (folder / f"{command[0]}.out").open("w")
            daemons.append(subprocess.Popen(command, env=inherited, stdout=log, stderr=log, start_new_session=True))
            time.sleep(1)
        deadline = time.monotonic() + 120
        while "idle" not in _said("sinfo", "--noheader", "--format=%T", env=inherited):
            logs = "\n".join(log.read_text() for log in folder.glob("*.[lo]*") if log.is_file())
            assert all(daemon.poll() is None for daemon in daemons), logs
            assert time.monotonic() < deadline, logs
            time.sleep(0.5)
        yield environment
    finally:
        _said("scancel", "--user=root", env=inherited)
        for daemon in reversed(daemons):
            if daemon.poll() is None:
                os.kill(daemon.pid, signal.SIGTERM)
                try:
                    daemon.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(daemon.pid, signal.SIGKILL)
                    daemon.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _said(*command: str, env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def test_a_sweep_through_slurm_is_whole_with_one_baseline_and_has_the_digits_of_a_serial_one(
    slurm: dict[str, str], project: Project, tmp_path: Path, empty_store: Path
) -> None:
    outcome = project.in_a_process(*SWEEP, *SLURM, timeout=1500, **slurm)
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=4, trainings=1)
    assert all(names.SLURM_JOB in job.data.tags for job in project.runs("job"))
    (tmp_path / "serial").mkdir()
    serial = new_project(tmp_path / "serial", empty_store)
    assert serial.prunelab(*SWEEP).status == 0
    assert _digits(project) == _digits(serial)


def _digits(project: Project) -> dict[str, dict[str, float]]:
    return {job.data.tags[names.CONFIG_HASH]: computed(job) for job in project.runs("job")}


class Waiting:
    """A sweep through Slurm whose jobs wait until a file is deleted."""

    def __init__(self, project: Project, slurm: dict[str, str], *settings: str) -> None:
        self.project, self.slurm = project, slurm
        self.gate = project.folder / "gate"
        self.gate.touch()
        (project.folder / "waiting.py").write_text(WAITING.format(gate=self.gate))
        self.command = ("-m", *SMALL, "method.score=waiting.mine", "percentage=20,40")
        self.environment = {**slurm, "PYTHONPATH": f"{project.folder}:{os.environ.get('PYTHONPATH', '')}"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prunelab", *self.command, *SLURM, *settings],
            cwd=project.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def running(self) -> list[Run]:
        """Its jobs, as soon as one has begun."""
        deadline = time.monotonic() + 900
        while not (found := [job for job in self.project.runs("job") if job.info.status == "RUNNING"]):
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return found

    def ended(self) -> Outcome:
        output, _ = self.process.communicate(timeout=900)
        return Outcome(self.process.returncode, output)

    def resumed(self) -> Outcome:
        self.gate.unlink(missing_ok=True)
        return self.project.in_a_process(*self.command, "resume=last", timeout=900, **self.environment)


def test_a_cancelled_job_is_failed_with_the_reason_the_other_finishes_and_resuming_runs_it(
    slurm: dict[str, str], project: Project
) -> None:
    with Waiting(project, slurm) as sweep:
        job = sweep.running()[0]
        subprocess.run(["scancel", job.data.tags[names.SLURM_JOB]], env={**os.environ, **slurm}, check=True)
        deadline = time.monotonic() + 120
        while (
            job.data.tags[names.SLURM_JOB]
            in _said("squeue", "--noheader", "--array", "--format=%i", env={**os.environ, **slurm}).split()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        sweep.gate.unlink()
        outcome = sweep.ended()
        assert outcome.status == 1
        assert "1 of 2 jobs did not finish" in outcome.output
        assert "CANCELLED" in outcome.output
        assert "Traceback" not in outcome.output
        ended = project.client.get_run(job.info.run_id)
        assert ended.info.status == "FAILED"
        assert "CANCELLED" in ended.data.tags["mlflow.note.content"]
        assert [run.info.status for run in project.runs("sweep")] == ["FAILED"]
        assert sorted(run.info.status for run in project.runs("job")) == ["FAILED", "FINISHED"]
        again = sweep.resumed()
        assert again.status == 0, again.output
        assert "1 of 2 jobs are done" in again.output


def test_jobs_that_run_out_of_time_say_so_and_resuming_runs_them(slurm: dict[str, str], project: Project) -> None:
    with Waiting(project, slurm, "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5") as sweep:
        outcome = sweep.ended()
        assert outcome.status == 1
        assert "2 of 2 jobs did not finish" in outcome.output
        jobs = project.runs("job")
        assert {run.info.status for run in jobs} <= {"FAILED"}
        notes = [run.data.tags["mlflow.note.content"] for run in jobs]
        assert [note for note in notes if "timed-out" not in note and "TIMEOUT" not in note] == []
        assert [run.info.status for run in project.runs("sweep")] == ["FAILED"]
        again = sweep.resumed()
        assert again.status == 0, again.output
        assert [run.info.status for run in project.runs("sweep")] == ["FINISHED"]


def test_an_interrupted_sweep_cancels_its_jobs(slurm: dict[str, str], project: Project) -> None:
    with Waiting(project, slurm) as sweep:
        sweep.running()
        os.kill(sweep.process.pid, signal.SIGINT)
        assert sweep.ended().status == 130
        deadline = time.monotonic() + 60
        while _said("squeue", "--noheader", env={**os.environ, **slurm}).strip():
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert [run.info.status for run in project.runs("sweep")] == ["KILLED"]
        assert {run.info.status for run in project.runs("job")} == {"KILLED"}
        again = sweep.resumed()
        assert again.status == 0, again.output
