"""Hostile arguments and hostile stores, for every command: nothing executed, nothing written outside, one message.

Each case runs in this process in a project of its own, with a canary beside it that nothing may touch.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab import app, reproduce
from prunelab.cli import store
from prunelab.deploy import export, predict
from prunelab.sweep import redraw
from prunelab.tracking import ui

COMMANDS = {
    "prunelab": app.main,
    "prunelab-report": redraw.main,
    "prunelab-export": export.main,
    "prunelab-predict": predict.main,
    "prunelab-reproduce": reproduce.main,
    "prunelab-store": store.main,
    "prunelab-ui": ui.main,
}
HERE = ("data=digits",)
SCRIPT = "<script>alert(1)</script>"
ESCAPE = "\x1b]0;owned\x07"
LONG = "x" * 5000
TREE = ("data=digits", "model=mlp_small", "trainer.progress=false")


@dataclass
class World:
    """A project with one recorded sweep, and everything else below the same folder, which has to stay as it is."""

    project: Project
    canary: Path

    def run(self, command: str, *arguments: str) -> Outcome:
        return in_process(command, COMMANDS[command], self.project.folder, *arguments)

    def outside(self) -> dict[Path, bytes | None]:
        return {
            path: path.read_bytes() if path.is_file() else None
            for path in sorted(self.project.folder.parent.rglob("*"))
            if not path.is_relative_to(self.project.folder)
        }

    def recorded(self) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.project.database)) as connection:
            return connection.execute("select run_uuid, status from runs order by 1").fetchall()

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.project.database)) as connection, connection:
            connection.execute(statement, values)

    def artifact(self, kind: str, path: str) -> Path:
        return self.project.artifact(self.project.runs(kind)[-1], path)


@pytest.fixture
def world(swept: tuple[Project, Outcome], tmp_path: Path) -> World:
    """For a test that changes it."""
    return _world(swept[0], tmp_path)


@pytest.fixture(scope="module")
def shared(swept: tuple[Project, Outcome], tmp_path_factory: pytest.TempPathFactory) -> World:
    """For tests after which it has to be as it was."""
    return _world(swept[0], tmp_path_factory.mktemp("shared"))


def _world(swept: Project, tmp_path: Path) -> World:
    folder = tmp_path / "project"
    shutil.copytree(swept.folder, folder)
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "file").write_text("as it was")
    made = World(Project(folder), tmp_path / "canary")
    made.run("prunelab-store", "list")  # a store that was copied is brought up to date once
    return made


def said_once(outcome: Outcome) -> None:
    """Refused in one message, Hydra's own may list what it accepts, with nothing for the terminal to obey."""
    assert outcome.status != 0, outcome.output
    assert "Traceback" not in outcome.output, outcome.output
    assert outcome.output.strip()
    assert "\x1b" not in outcome.output
    assert len(outcome.output.strip().splitlines()) <= 40, outcome.output


ARGUMENTS: list[tuple[str, ...]] = [
    ("prunelab", *TREE, f"name={ESCAPE}"),
    ("prunelab", *TREE, "name=\udcff"),
    ("prunelab", *TREE, "percentage=nan"),
    ("prunelab", *TREE, "percentage=inf"),
    ("prunelab", *TREE, "percentage=1e400"),
    ("prunelab", *TREE, "percentage=-1"),
    ("prunelab", *TREE, "percentage="),
    ("prunelab", *TREE, "percentage=\N{ARABIC-INDIC DIGIT FIVE}\N{ARABIC-INDIC DIGIT ZERO}"),
    ("prunelab", *TREE, "seed=99999999999999999999999999"),
    ("prunelab", *TREE, "calibration.images=-5"),
    ("prunelab", *TREE, "model.hidden=[0]"),
    ("prunelab", *TREE, "tracking.experiment_name=../../canary"),
    ("prunelab", *TREE, "tracking.experiment_name=.."),
    ("prunelab", *TREE, "tracking.experiment_name=/tmp/canary"),
    ("prunelab", *TREE, "data.name=../../../canary"),
    ("prunelab", *TREE, "tracking.uri=sqlite:///relative.db"),
    ("prunelab", *TREE, "tracking.uri=file:///tmp/x"),
    ("prunelab", *TREE, "tracking.uri=postgresql://me:secret@nowhere/x"),
    ("prunelab", *TREE, "method=../../canary/file"),
    ("prunelab", *TREE, f"method={SCRIPT}"),
    ("prunelab", *TREE, "method.score=os.system"),
    ("prunelab", *TREE, "model.checkpoint=/dev/zero"),
    ("prunelab", *TREE, "model.checkpoint=../canary/file", "training.epochs=0"),
    ("prunelab", *TREE, "resume=last"),
    ("prunelab", *TREE, "__class__=x"),
    ("prunelab", *TREE, "name=${oc.env:NO_SUCH_VARIABLE}"),
    ("prunelab", *TREE, "name=${paths"),
    ("prunelab", "-m", *TREE, "percentage=0,50", f"resume={SCRIPT}"),
    ("prunelab", "-m", *TREE, "percentage=0,50", "resume='; drop table runs; --'"),
    ("prunelab", "-m", *TREE, "hydra.sweeper.zip={percentage:[1,2],seed:[1]}"),
    ("prunelab-report", *HERE, f"sweep {ESCAPE}"),
    ("prunelab-report", *HERE, "'\" or 1=1"),
    ("prunelab-report", *HERE, "backslash\\"),
    ("prunelab-report", *HERE, LONG),
    ("prunelab-report", *HERE, ""),
    ("prunelab-report", *HERE, "\N{RIGHT-TO-LEFT OVERRIDE}tsal"),
    ("prunelab-report", *HERE, "last", "--output", LONG),
    ("prunelab-report", *HERE, "last", "--output", "/proc/nothing/here"),
    ("prunelab-report", *HERE, "tracking.experiment_name=../../canary"),
    ("prunelab-export", *HERE, "../../canary/file"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "/dev/null/x"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", LONG),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "../canary"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "../canary/file"),
    ("prunelab-export", *HERE, f"weight-50{ESCAPE}"),
    ("prunelab-predict", *HERE, "last", "/dev/zero"),
    ("prunelab-predict", *HERE, "last", LONG),
    ("prunelab-predict", *HERE, "last", "../canary/file"),
    ("prunelab-predict", *HERE, "../canary/file", "../canary/file"),
    ("prunelab-predict", *HERE, "last", "[" * 300),
    ("prunelab-reproduce", *HERE, "'"),
    ("prunelab-reproduce", *HERE, "0" * 32),
    ("prunelab-reproduce", *HERE, "last", "method.score=os.system"),
    ("prunelab-store", "delete", "../canary", "--yes"),
    ("prunelab-store", "delete", "%", "--yes"),
    ("prunelab-store", "delete", "", "--yes"),
    ("prunelab-store", "relocate", "../canary", "--yes"),
    ("prunelab-store", "relocate", LONG, "--yes"),
    ("prunelab-store", "export", "last", "../canary/file"),
    ("prunelab-store", "export", "last", LONG),
    ("prunelab-store", "export", "../canary", "out.zip"),
    ("prunelab-store", "import", "../canary/file"),
    ("prunelab-store", "import", "/dev/zero"),
    ("prunelab-store", "list", "tracking.uri=sqlite:////etc/passwd"),
    ("prunelab-ui", *HERE, "--no-browser", "--host", f"{'a' * 70}.example"),
    ("prunelab-ui", *HERE, "--no-browser", "--port", "99999999"),
    ("prunelab-ui", *HERE, "--no-browser", "--port", "-1"),
    ("prunelab-ui", *HERE, "--no-browser", "tracking.experiment_name=../x"),
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda words: ascii(" ".join(words))[1:70])
def test_a_hostile_argument_is_refused_in_one_message(arguments: tuple[str, ...], shared: World) -> None:
    before, recorded = shared.outside(), shared.recorded()
    said_once(shared.run(*arguments))
    assert shared.outside() == before
    assert shared.recorded() == recorded
    assert not Path("/tmp/canary").exists()


class Evil:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.target, "executed"))


Tamper = Callable[[World], None]


def _renames(kind: str, name: str) -> Tamper:
    def tamper(world: World) -> None:
        run = world.project.runs(kind)[-1].info.run_id
        world.sql("update runs set name = ? where run_uuid = ?", name, run)
        world.sql("update tags set value = ? where key = 'mlflow.runName' and run_uuid = ?", name, run)

    return tamper


def _tags(kind: str, key: str, value: str) -> Tamper:
    return lambda world: world.sql(
        "update tags set value = ? where key = ? and run_uuid = ?", value, key, world.project.runs(kind)[-1].info.run_id
    )


def _writes(kind: str, path: str, content: bytes | str) -> Tamper:
    data = content.encode() if isinstance(content, str) else content
    return lambda world: world.artifact(kind, path).write_bytes(data) and None


def _pickles(kind: str, path: str) -> Tamper:
    return lambda world: world.artifact(kind, path).write_bytes(pickle.dumps(Evil(world.canary / "proof"))) and None


def _links(kind: str, path: str, target: str) -> Tamper:
    def tamper(world: World) -> None:
        file = world.artifact(kind, path)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        file.symlink_to(Path(target) if target.startswith("/") else world.canary / target)

    return tamper


def _moves(kind: str) -> Tamper:
    """A run's artifacts are said to be in the canary's folder."""
    return lambda world: world.sql(
        "update runs set artifact_uri = ? where run_uuid = ?",
        f"{world.project.folder.as_uri()}/mlruns/../../canary",
        world.project.runs(kind)[-1].info.run_id,
    )


def _deletes_metric(name: str) -> Tamper:
    return lambda world: world.sql("delete from latest_metrics where key = ?", name)


REPORT = ("prunelab-report", *HERE)
EXPORT = ("prunelab-export", *HERE, "--format", "safetensors")
CHECK = ("prunelab-store", "check")
RESUME = ("prunelab", "-m", *SMALL, "method=weight,neuron", "percentage=0,50,99", "resume=last")
REFUSED: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "artifacts elsewhere, report": (_moves("sweep"), REPORT),
    "artifacts elsewhere, resume": (_moves("sweep"), RESUME),
    "artifacts elsewhere, archive": (_moves("job"), ("prunelab-store", "export", "last", "out.zip")),
    "figures are a link": (_links("sweep", "figures", "."), REPORT),
    "page is a link": (_links("sweep", "report.html", "file"), REPORT),
    "network is a link": (_links("job", "network.safetensors", "/etc/passwd"), (*EXPORT, "neuron-99")),
    "network is endless": (_links("job", "network.safetensors", "/dev/zero"), (*EXPORT, "neuron-99")),
    "network is a pickle": (_pickles("job", "network.safetensors"), (*EXPORT, "neuron-99")),
    "network is a pickle, predict": (
        _pickles("job", "network.safetensors"),
        ("prunelab-predict", *HERE, "neuron-99", "../canary/file"),
    ),
    "network is a pickle, check": (_pickles("job", "network.safetensors"), CHECK),
    "checkpoint is a pickle, check": (_pickles("baseline", "checkpoint/best.ckpt"), CHECK),
    "plan is a list": (_writes("sweep", "plan.json", "[]"), RESUME),
    "plan has jobs of another kind": (_writes("sweep", "plan.json", '{"jobs": [1]}'), RESUME),
    "plan is deep": (_writes("sweep", "plan.json", "[" * 100_000), RESUME),
    "config is a pickle in YAML": (
        _writes("job", "config.yaml", "!!python/object/apply:os.system ['touch ../canary/proof']"),
        ("prunelab-reproduce", *HERE, "neuron-99"),
    ),
    "config names a function": (
        _writes("job", "config.yaml", "{model: {name: x, network: os.system}}"),
        ("prunelab-reproduce", *HERE, "neuron-99"),
    ),
    "environment is a list": (_writes("job", "environment.json", "[]"), ("prunelab-reproduce", *HERE, "neuron-99")),
    "no accuracy": (_deletes_metric("test/accuracy"), REPORT),
    "no baseline": (_tags("job", "baseline_run_id", "' or 1=1 --"), CHECK),
    "database is no database": (lambda w: w.project.database.write_bytes(b"not SQLite" * 1000) and None, REPORT),
    "database is cut": (lambda w: os.truncate(w.project.database, 300_000), REPORT),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_hostile_store_is_said_in_one_message(name: str, world: World) -> None:
    tamper, command = REFUSED[name]
    tamper(world)
    before = world.outside()
    outcome = world.run(*command)
    if command is not CHECK:
        said_once(outcome)
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert "\x1b" not in outcome.output
    assert world.outside() == before, "nothing is executed, nothing written outside"


SHOWN: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "sweep named as a script": (_renames("sweep", SCRIPT), REPORT),
    "sweep named by an escape sequence": (_renames("sweep", f"sweep{ESCAPE}\x9b2J"), REPORT),
    "sweep named by an escape sequence, list": (_renames("sweep", f"sweep{ESCAPE}"), (*REPORT, "--list")),
    "sweep named by an escape sequence, store": (_renames("sweep", f"sweep{ESCAPE}"), ("prunelab-store", "list")),
    "job named as a path": (_renames("job", "../canary/file"), (*EXPORT, "last")),
    "method named as a script": (
        lambda w: w.sql("update params set value = ? where key = 'method'", f"{SCRIPT}\\input{{/etc/passwd}}"),
        REPORT,
    ),
    "overrides with a script": (_tags("job", "overrides", f"a={SCRIPT}"), REPORT),
    "verdicts that are no list": (_tags("sweep", "mlflow.note.content", SCRIPT), REPORT),
    "layers that are no list": (_tags("job", "layers", '{"a": '), REPORT),
    "layers named as a script": (
        lambda w: w.sql("update tags set value = ? where key = 'layers'", f'["{SCRIPT}", "b", "c"]'),
        REPORT,
    ),
    "plan with a script": (_writes("sweep", "plan.json", f'{{"jobs": [{{"overrides": ["a={SCRIPT}"]}}]}}'), REPORT),
    "plan is a list": (_writes("sweep", "plan.json", "[]"), REPORT),
    "environment is a list": (_writes("job", "environment.json", "[]"), REPORT),
    "environment with a script": (
        lambda w: (
            [
                w.project.artifact(job, "environment.json").write_text(f'{{"versions": {{"torch": "{SCRIPT}"}}}}')
                for job in w.project.runs("job")
            ]
            and None
        ),
        REPORT,
    ),
    "picture is a pickle": (_pickles("job", "kept.safetensors"), REPORT),
    "loss is no number": (lambda w: w.sql("update latest_metrics set is_nan = 1 where key = 'test/loss'"), REPORT),
    "loss is huge": (lambda w: w.sql("update latest_metrics set value = 1e308 where key = 'test/loss'"), REPORT),
    "accuracy is beyond reason": (
        lambda w: w.sql("update latest_metrics set value = -1e300 where key = 'test/accuracy'"),
        REPORT,
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_hostile_store_holds_is_shown_as_text(name: str, world: World) -> None:
    tamper, command = SHOWN[name]
    tamper(world)
    before = world.outside()
    outcome = world.run(*command)
    assert outcome.status == 0, outcome.output
    assert "Traceback" not in outcome.output
    assert "\x1b" not in outcome.output
    assert "\x9b" not in outcome.output
    assert world.outside() == before
    if command == REPORT:
        assert SCRIPT not in world.artifact("sweep", "report.html").read_text()
        assert "\\input{" not in world.artifact("sweep", "results.tex").read_text()
