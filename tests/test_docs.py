"""Every command that a document shows is run, in order, on small data; and the definitions are complete.

A command is a line of a fenced `sh` block, or of an indented block that has a line beginning with one of `COMMANDS`. A
fenced block of Python or YAML that is labelled with a path is a file, written where the reader is. A block of Python
without a label is run there; those of a document share their names. What needs a cluster is composed and not run, and
so are launchers, which tests/sweep/test_launchers.py runs, unless the reader's own modules have to reach their workers.
A line whose first word nobody here knows fails.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from prunelab import names
from prunelab.choices import Scope
from prunelab.compose import compose_job
from prunelab.reading import CONF
from tests.conftest import Outcome, Project, new_project
from tests.documents import DOCUMENTS, ROOT, Block, blocks
from tests.reader import Reader

FEW_COMMANDS = (
    *("arithmetic.md", "zoo.md", "breakeven.md", "definitions.md", "performance.md", "installing.md"),
    *("peers.md", "results.md", "layout.md", "frontier.md"),
)


def _marked(document: Path) -> ParameterSet:
    """Documents with many commands, or long ones, are slow."""
    marks = () if document.name in FEW_COMMANDS and document.name != "frontier.md" else pytest.mark.slow
    return pytest.param(document, id=document.name, marks=marks)


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize("document", [_marked(document) for document in DOCUMENTS])
def test_every_command_of_a_document_runs(
    document: Path, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkout").mkdir()
    text, known = document.read_text(), set(sys.modules)
    reader = Reader(new_project(tmp_path / "checkout", empty_store), empty_store, text, monkeypatch)
    try:
        count = sum(reader.follow(block) for block in blocks(text))
    finally:
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
    assert count > 8 or document.name in FEW_COMMANDS


def test_blocks_are_found_however_they_are_marked() -> None:
    text = (
        "text\n\n    prunelab a=1 \\\n      b=2  # words\n\n    make x\n\n- item\n    no block\n\n    key: value\n\n"
        "```sh cluster\n# only words\n$ prunelab c=3\n```\n```yaml a/b.yaml\nkey: 1\n```\n"
    )
    indented, yaml, fenced, file = blocks(text)
    assert [shlex.split(command, comments=True) for command in indented.commands] == [
        ["prunelab", "a=1", "b=2"],
        ["make", "x"],
    ]
    assert indented.is_shell
    assert not yaml.is_shell
    assert (fenced.label, fenced.commands) == ("cluster", ["prunelab c=3"])
    assert (file.language, file.label, file.lines) == ("yaml", "a/b.yaml", ("key: 1",))


def test_a_command_that_nobody_knows_fails(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(Project(tmp_path), empty_store, "", monkeypatch)
    with pytest.raises(AssertionError, match="nobody knows how to run curl"):
        reader.follow(Block("sh", "", ("curl http://example.org",), fenced=True))
    with pytest.raises(AssertionError, match="a block that is not sh"):
        reader.follow(Block("", "", ("prunelab percentage=50",), fenced=True))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        assert "://" in target or (document.parent / target).exists(), target


def test_every_document_begins_by_saying_what_it_is_for() -> None:
    for document in DOCUMENTS[1:]:
        title, empty, first, *_ = document.read_text().splitlines()
        assert title.startswith("# ")
        assert empty == ""
        assert first.startswith("For ")
        assert ": " in first


DEFINITIONS = ROOT / "docs" / "definitions.md"


@pytest.mark.parametrize("kind", [kind.value for kind in names.Kind])
def test_all_that_a_run_records_is_defined(kind: str, swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    text = DEFINITIONS.read_text()
    for run in project.runs(kind):
        artifacts = [artifact.path for artifact in project.client.list_artifacts(run.info.run_id)]
        own_tags = [tag for tag in run.data.tags if not tag.startswith("mlflow.")]
        for name in (*run.data.metrics, *run.data.params, *own_tags):
            assert f"`{re.sub(r'layer_[0-9]+', 'layer_1', name)}`" in text, name
        for path in artifacts:
            assert f"`{path}" in text, path


def test_every_name_in_the_store_is_defined() -> None:
    text = DEFINITIONS.read_text()
    for constant, value in vars(names).items():
        if constant.isupper() and isinstance(value, str):
            assert f"`{value}" in text or constant == "SWEEP_COLUMN", value


def test_every_score_scope_and_recovery_is_defined() -> None:
    text = DEFINITIONS.read_text()
    scores = {compose_job([f"method={file.stem}"]).method.score for file in (CONF / "method").glob("*.yaml")}
    recoveries = {file.stem for file in (CONF / "recovery").glob("*.yaml")}
    for name in (*scores, *recoveries, *(scope.value for scope in Scope)):
        assert f"| `{name}` |" in text, name
