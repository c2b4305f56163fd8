"""Slurm jobs that end without a result: cancelled, out of time, or on a node that failed.

submitit raises the error of the first such job and forgets the others, which go on running; on a cluster without
accounting it waits for such a job for ever. Here each is reported as a job that failed, and the others are waited for.
In the job itself, submitit raises the end of its time as a RuntimeError, which other code handles as an error of its
own: a checkpoint being read would count as damaged. Here it is `interruption.OutOfTime`.
"""

from __future__ import annotations

import getpass
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from prunelab import interruption, names
from prunelab.errors import PrunelabError
from prunelab.tracking.store import Store

LOOK_SECONDS = 30
"""The least time between two questions to Slurm for the states of jobs."""
NO_RESULT = ("CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL", "PREEMPTED")
"""States after which a job gives no result."""
ALIVE = (
    *("PENDING", "CONFIGURING", "SUSPENDED", "STOPPED", "REQUEUE", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
    *("RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "READY", "UNKNOWN"),
)
"""How the states begin in which a job may give a result yet."""
CANCEL_SECONDS = 60
"""How long cancelled jobs may take to end."""
GONE = "GONE"
"""Not known to Slurm any more, which forgets a job some minutes after its end."""


class LostJob(PrunelabError):
    """A Slurm job that ended without a result."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"Slurm job {job_id} ended without a result: {state}")
        self.job_id = job_id


@contextmanager
def every_job_awaited(launcher: Any) -> Iterator[None]:
    """Let a Slurm launcher return for each job its result or its LostJob; interrupted, cancel what still runs.

    Other launchers are left as they are.
    """
    if type(launcher).__name__ != "SlurmLauncher":
        yield
        return
    from submitit.slurm import slurm

    own, before = _job_class(), slurm.SlurmJob
    # The jobs of an array are made by the module's name, others by the executor's.
    slurm.SlurmExecutor.job_class = slurm.SlurmJob = own  # type: ignore[misc]
    try:
        yield
    except BaseException:
        arrays = {job.job_id.partition("_")[0] for job in own.made}
        if arrays:
            _cancel(arrays, {job.job_id for job in own.made})
        raise
    finally:
        slurm.SlurmExecutor.job_class = slurm.SlurmJob = before  # type: ignore[misc]


def _cancel(arrays: set[str], jobs: set[str]) -> None:
    """Kill the jobs, in which submitit ignores SIGTERM, and wait until they are gone: their runs can be closed then."""
    for command in (["scancel", "--full", "--signal=KILL"], ["scancel"]):
        subprocess.run([*command, *arrays], capture_output=True, check=False)
    deadline = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < deadline:
        if not any(job["State"].startswith(ALIVE) for job in _queue(jobs).values()):
            return
        time.sleep(1)


def listen() -> None:
    """In a job, let the end of its time end it as OutOfTime from now on; in any other process, do nothing."""
    if "submitit" not in sys.modules:
        return
    from submitit.core.job_environment import SignalHandler

    for number in (signal.SIGUSR1, signal.SIGUSR2):
        before = signal.getsignal(number)
        if isinstance(getattr(before, "__self__", None), SignalHandler):
            signal.signal(number, partial(_ended, before))


def _ended(handle: Any, number: int, frame: FrameType | None) -> None:
    """What submitit does at the end of a job's time: put it back into the queue and exit, or let it end for good."""
    from submitit.core.utils import UncompletedJobError

    try:
        handle(number, frame)
    except UncompletedJobError as error:
        interruption.end(_first_line(error))


def fail_lost(store: Store, sweep_id: str, returns: Sequence[JobReturn]) -> None:
    """End as FAILED the runs of jobs that were lost, with the reason."""
    lost = {error.job_id: error for each in returns if isinstance(error := each._return_value, LostJob)}
    for run in store.children(sweep_id, "RUNNING") if lost else []:
        error = lost.get(run.tags.get(names.SLURM_JOB, ""))
        if error is not None:
            store.fail(run.id, str(error))


def _job_class() -> Any:
    from submitit.core.utils import UncompletedJobError
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class Watcher(SlurmInfoWatcher):
        """Asks Slurm's accounting, and its queue where there is no accounting."""

        accounting: bool | None = None

        def update(self) -> None:
            if self.accounting is None:
                self.accounting = _succeeds("sacct", "--noheader", "--starttime=now")
            if self.accounting:
                super().update()
                return
            open_jobs = self._registered - self._finished
            self._info_dict.update(_queue(open_jobs))
            self._last_status_check = time.time()
            self._finished |= {job for job in open_jobs if self.is_done(job, mode="cache")}

        def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
            found = super().read_info(string)
            preempted = {job for job, about in found.items() if about["State"].startswith("PREEMPTED")}
            queued = _queue(preempted) if preempted else {}
            for job in preempted:  # is it in the queue again? UNKNOWN as long as Slurm does not say
                about = queued.get(job, {"JobID": job, "State": "UNKNOWN"})
                if about["State"] != GONE:
                    found[job] = about
            return found

        def is_done(self, job_id: str, mode: str = "standard") -> bool:
            return not self.get_state(job_id, mode=mode).upper().startswith(ALIVE)

    class Job(SlurmJob[Any]):
        watcher = Watcher(delay_s=LOOK_SECONDS)
        made: list[Any] = []  # noqa: RUF012

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.made.append(self)

        def results(self) -> list[Any]:
            self.wait()
            if self.state.startswith(NO_RESULT):
                self._results_timeout_s = 1
            try:
                return list(super().results())
            except UncompletedJobError as error:
                state = self.state if self.state.startswith(NO_RESULT) else f"{self.state} ({_first_line(error)})"
                returned = JobReturn(status=JobStatus.FAILED)
                returned.return_value = LostJob(self.job_id, state)
                return [returned]

    return Job


def _queue(jobs: set[str]) -> dict[str, dict[str, str]]:
    """The states of these jobs as Slurm's queue has them; nothing if it does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", "--format=%i|%T"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {}
    listed = dict(line.split("|", 1) for line in done.stdout.split() if "|" in line)
    return {job: {"JobID": job, "State": listed.get(job, GONE)} for job in jobs}


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
