"""A sweep as an archive, and `prunelab-store` in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Outcome, Project, in_process

from prunelab.cli.store import main


def store(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-store", main, project.folder, *arguments)


@pytest.fixture(scope="module")
def archive(swept: tuple[Project, Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep of `swept`, exported."""
    file = tmp_path_factory.mktemp("archive") / "sweep.zip"
    outcome = store(swept[0], "export", "last", str(file))
    assert outcome.status == 0, outcome.output
    assert "6 jobs, 10 runs in all" in outcome.output
    return file
