"""Signals at any moment: Ctrl-C and SIGTERM close what was open, and after a SIGKILL `resume=last` completes the table.

PRUNELAB_ROUNDS sets how many random moments are tried (`make soak`: 10).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import SMALL, Project, in_process, new_project

from prunelab import names
from prunelab.app import main

SWEEP = ("-m", *SMALL, "method=weight,neuron", "percentage=0,20,40,60,80,99", "seed=0,1")
LONG = ("-m", *SMALL, "percentage=range(0,100)")
ROUNDS = int(os.environ.get("PRUNELAB_ROUNDS", "2"))
SECONDS = 6.0
"""About as long as the sweep takes, so that moments fall in all of it: training, jobs, report."""

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["prunelab.sweep.grid", "matplotlib.figure", "prunelab.data.digits", "torch._dynamo"])


def sweep(folder: str, *arguments: str) -> None:
    """The body of a process of its own, forked from one that has imported everything but computed nothing."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server it is forked from ignores it
    with Path(folder, "output.txt").open("w") as output:
        outcome = in_process("prunelab", main, Path(folder), *arguments)
        output.write(outcome.output)
    os._exit(outcome.status)


def start(project: Project, *arguments: str) -> multiprocessing.process.BaseProcess:
    process = server.Process(target=sweep, args=(str(project.folder), *arguments))
    process.start()
    return process


def table(project: Project) -> pd.DataFrame:
    """The recorded results, without what names a run or counts time."""
    (run,) = project.runs("sweep")
    assert run.info.status == "FINISHED"
    frame = pd.read_csv(project.artifact(run, "results.csv"))
    timed = (*names.MEASURED, names.FASTEST, names.SPEED_UNSTEADY)
    frame = frame.drop(
        columns=["run_id", "overrides", *(column for column in frame.columns if column.startswith(timed))]
    )
    return frame.sort_values(["method", "percentage", "seed"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> pd.DataFrame:
    project = new_project(tmp_path_factory.mktemp("undisturbed"), empty_store)
    process = start(project, *SWEEP)
    process.join()
    assert process.exitcode == 0
    return table(project)


@pytest.mark.slow
def test_after_a_sigkill_at_any_moment_resuming_gives_the_whole_table_to_the_last_digit(
    undisturbed: pd.DataFrame, tmp_path: Path, empty_store: Path
) -> None:
    moments = random.Random(os.environ.get("PRUNELAB_SEED", "2"))
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        project = new_project(folder, empty_store)
        after = SECONDS * (number + moments.random()) / ROUNDS
        process = start(project, *SWEEP)
        time.sleep(after)
        process.kill()
        process.join()
        resume = ("resume=last",) if project.runs("sweep") else ()
        process = start(project, *SWEEP, *resume)
        process.join()
        assert process.exitcode == 0, (after, (folder / "output.txt").read_text())
        pd.testing.assert_frame_equal(table(project), undisturbed, check_exact=True)
        left = [
            run.info.run_name
            for kind in ("job", "baseline", "sweep")
            for run in project.runs(kind)
            if run.info.status == "RUNNING"
        ]
        assert left == []
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_is_closed_as_killed_with_what_finished_reported(
    number: signal.Signals, project: Project
) -> None:
    process = start(project, *LONG)
    deadline = time.monotonic() + 60
    while sum(run.info.status == "FINISHED" for run in project.runs("job")) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    (run,) = project.runs("sweep")
    assert run.info.status == "KILLED"
    assert run.data.metrics["jobs/finished"] >= 3
    assert run.data.metrics["jobs/not_run"] >= 1
    assert project.artifact(run, "figures/accuracy.png").is_file()
    assert {job.info.status for job in project.runs("job")} <= {"FINISHED", "KILLED"}
    said = (project.folder / "output.txt").read_text()
    done = f"{run.data.metrics['jobs/finished']:.0f} of 100 jobs"
    assert f"prunelab: interrupted, {done} done; continue with the same command and resume=last" in said
    assert f"incomplete: {done}" in said
    page = project.artifact(run, "report.html")
    assert f"report: {page.relative_to(project.folder)}; " in said
    assert f"Incomplete: {done}" in page.read_text()


@pytest.mark.parametrize("after", [0.3, 1.0, 2.0])
def test_in_the_first_seconds_too_an_interruption_ends_with_status_130(after: float, project: Project) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from prunelab.app import main; print('started', flush=True); main()", *LONG],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 130
    assert complaints.splitlines()[-1].startswith("prunelab: interrupted")


LOUD = """
import os, signal, torch
def mine(network, graph, calibration):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([signal.SIGUSR1], 1)
    except KeyboardInterrupt:
        OUTCOME
    return {layer.weight: torch.ones(graph.shapes[layer.weight]) for layer in graph.prunable}
"""


@pytest.mark.parametrize(
    "outcome", ["raise RuntimeError('made of it by a library')", pytest.param("pass", marks=pytest.mark.slow)]
)
def test_an_interruption_that_a_library_turned_into_an_error_or_dropped_still_ends_the_sweep(
    outcome: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"loud_{len(outcome)}"
    (project.folder / f"{module}.py").write_text(LOUD.replace("OUTCOME", outcome))
    monkeypatch.syspath_prepend(project.folder)
    outcome_of = project.prunelab("-m", *SMALL, f"method.score={module}.mine", "percentage=20,40,60")
    assert outcome_of.status == 130
    (run,) = project.runs("sweep")
    assert run.info.status == "KILLED"
    assert [job.info.status for job in project.runs("job")] == (["FINISHED"] if outcome == "pass" else ["KILLED"])
