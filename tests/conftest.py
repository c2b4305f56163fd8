"""A project of one's own for every test: a folder with a real SQLite store, and the command line run in it.

Creating MLflow's schema takes seconds, so it is done once per session and its file copied. Functions import torch,
MLflow and matplotlib themselves: the process that only hands tests to others reads this file too, and they wait for it.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import pytest
from _pytest.mark import ParameterSet
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import settings

from prunelab import names
from prunelab.app import main
from tests.browser import browser as browser

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from prunelab.tracking.store import Store

THOROUGH = os.environ.get("CI") == "true"


def examples(number: int) -> int:
    """How many examples of a property are tried: all of them in CI, elsewhere a third."""
    return number if THOROUGH else max(number // 3, 1)


settings.register_profile("prunelab", deadline=None, max_examples=examples(100))  # a busy machine is not a failure
settings.load_profile("prunelab")

# A shell has what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at pages is marked `browser` by the fixture it takes."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def quick(cases: Iterable[str], *chosen: str) -> list[ParameterSet]:
    """The chosen cases as they are and all others marked slow: where many test the same code, few are run often."""
    found = [pytest.param(case, marks=() if case in chosen else pytest.mark.slow, id=case) for case in cases]
    assert {*chosen} <= {case.id for case in found}
    return found


TIMED = (
    *("data=digits", "model=mlp_small", "training.epochs=2"),
    *("trainer.progress=false", "trainer.threads=1", "measure.seconds=0.001"),
)
"""A training of a fifth of a second."""
SMALL = (*TIMED, "measure.batch_sizes=[]")
"""The same, without measuring speed, which takes a third of a job's time."""


@dataclass
class Outcome:
    """What a command left on the terminal."""

    status: int
    output: str


@dataclass
class Project:
    """A folder in which prunelab is run."""

    folder: Path

    def prunelab(self, *arguments: str) -> Outcome:
        """Run the command in this process."""
        return in_process("prunelab", main, self.folder, *arguments)

    def in_a_process(self, *arguments: str, timeout: float = 300, **environment: str) -> Outcome:
        """Run the command as a person does, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "prunelab", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    @property
    def database(self) -> Path:
        return self.folder / "mlruns" / "mlflow.db"

    @property
    def client(self) -> MlflowClient:
        from mlflow.tracking import MlflowClient

        return MlflowClient(f"sqlite:///{self.database}")

    def runs(self, kind: str) -> list[Run]:
        """All runs of a kind in all experiments, oldest first."""
        client = self.client
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.kind = '{kind}'", order_by=["attributes.start_time ASC"])
        return list(found)

    def artifact(self, run: Run, path: str) -> Path:
        return Path(unquote(urlparse(run.info.artifact_uri).path)) / path

    def assert_whole(self, jobs: int, trainings: int) -> None:
        """Every job FINISHED and there once, under one FINISHED parent, on this many baselines."""
        runs = self.runs("job")
        assert Counter(run.info.status for run in runs) == {"FINISHED": jobs}
        assert len({run.data.tags["config_hash"] for run in runs}) == jobs
        assert [run.info.status for run in self.runs("baseline")] == ["FINISHED"] * trainings
        (sweep,) = self.runs("sweep")
        assert sweep.info.status == "FINISHED"
        assert len(self.artifact(sweep, "results.csv").read_text().splitlines()) == jobs + 1


def computed(run: Run) -> dict[str, float]:
    """A run's metrics less its measured times, which no two runs share."""
    return {name: value for name, value in run.data.metrics.items() if not name.startswith(names.MEASURED)}


def in_process(name: str, command: object, folder: Path, *arguments: str) -> Outcome:
    """Run a console command's function in `folder` with these arguments, remembering nothing of earlier ones."""
    from prunelab.training import baseline

    output = io.StringIO()
    before, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = [name, *arguments]
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None
    baseline.forget()
    status: object = 0
    try:
        with redirect_stdout(output), redirect_stderr(output):
            command()  # type: ignore[operator]
    except SystemExit as exit_:
        status = exit_.code
        if isinstance(status, str):
            print(status, file=output)
            status = 1
    finally:
        os.chdir(before)
        sys.argv = argv
    return Outcome(int(status or 0), output.getvalue())  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with MLflow's schema and nothing else."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("schema") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Project:
    """A fresh project with an empty store."""
    return new_project(tmp_path, empty_store)


@pytest.fixture
def store(project: Project, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The experiment `digits` in the store of a fresh project, which is the current folder."""
    from prunelab.compose import compose_job
    from prunelab.tracking.opening import open_store

    monkeypatch.chdir(project.folder)
    job = compose_job(["data=digits"])
    return open_store(job.tracking, job.experiment_name)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Project, Outcome]:
    """A project in which one small sweep was run, and what the sweep printed; for tests that only look at it."""
    project = new_project(tmp_path_factory.mktemp("swept"), empty_store)
    return project, sweep_of_six(project)


def sweep_of_six(project: Project) -> Outcome:
    """Two methods at three percentages."""
    return project.prunelab("-m", *TIMED, "method=weight,neuron", "percentage=0,50,99")


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Sweeps of this process leave an empty figure and an empty page: drawing them is half of a small sweep's time.

    tests/report and tests/sweep/test_sweep.py look at the real ones.
    """
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunelab.report.outcome.draw", lambda results, pictures: {"accuracy": Figure()})
        patch.setattr("prunelab.report.outcome.page", lambda *_, **__: "<p>left out</p>")
        yield


@pytest.fixture
def unillustrated() -> Iterator[None]:
    with nothing_drawn():
        yield


def copied(project: Project, folder: Path) -> Project:
    """A project of one's own, `folder`, with all that another holds."""
    from prunelab.tracking.moving import mend

    shutil.copytree(project.folder, folder)
    mend(folder / "mlruns/mlflow.db", folder / "mlruns/artifacts", writing=True)
    return Project(folder)


def new_project(folder: Path, empty_store: Path) -> Project:
    (folder / "mlruns").mkdir()
    shutil.copy(empty_store, folder / "mlruns" / "mlflow.db")
    return Project(folder)
