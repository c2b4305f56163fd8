"""Every command in a project of its own, with a canary beside it that nothing may touch."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Outcome, Project, in_process

from prunelab import app
from prunelab.cli import export, predict, report, reproduce, store, ui

COMMANDS = {
    "prunelab": app.main,
    "prunelab-report": report.main,
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
