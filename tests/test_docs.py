"""Every command that a document shows is run, in order, on small data; and the definitions are complete.

A command is a line of a fenced `sh` block, or of an indented block that has a line beginning with one of `COMMANDS`. A
fenced block of Python or YAML that is labelled with a path is a file, written where the reader is. A block of Python
without a label is run there; those of a document share their names. What needs a cluster is composed and not run, and
so are launchers, which tests/sweep/test_launchers.py runs, unless the reader's own modules have to reach their workers.
A line whose first word nobody here knows fails.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import CodeType, SimpleNamespace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from prunelab import names
from prunelab.choices import Scope
from prunelab.compose import compose_job
from prunelab.reading import CONF
from tests.conftest import Outcome, Project, in_process, new_project

ROOT = Path(__file__).parents[1]
FEW_COMMANDS = ("arithmetic.md", "zoo.md", "breakeven.md", "peers.md", "definitions.md", "performance.md")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = {entry.name: entry for entry in distribution("prunelab").entry_points.select(group="console_scripts")}
COMMANDS = (*SCRIPTS, "make", "pip", "createdb")
SHELLS = ("sh", "bash", "shell", "console")
CLUSTER = re.compile(r"hydra/launcher=\w+|tracking=server|trainer=gpu")
DATED = re.compile(r"([\w-]+) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
NO_SERVER = "tracking.uri=http://127.0.0.1:9"
JOBS = 8
SMALL = {
    "data": "digits",
    "model": "mlp_small",
    "training.epochs": "1",
    "trainer.progress": "false",
    "trainer.threads": "1",
    "measure.seconds": "0.001",
    "calibration.images": "300",
}


@dataclass(frozen=True)
class Block:
    """A fenced or indented block: `language` and `label` are what its fence says, both empty where it has none."""

    language: str
    label: str
    lines: tuple[str, ...]
    fenced: bool

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS or (not self.fenced and self.has_commands)

    @property
    def has_commands(self) -> bool:
        return any(_first_word(line) in COMMANDS for line in self.lines)

    @property
    def commands(self) -> list[str]:
        """Lines that end with a backslash go on; comments are no commands."""
        whole = "\n".join(line.removeprefix("$ ") for line in self.lines).replace("\\\n", " ")
        return [line for line in whole.splitlines() if shlex.split(line, comments=True)]


def _first_word(line: str) -> str:
    return (line.removeprefix("$ ").split() or [""])[0]


def blocks(text: str) -> Iterator[Block]:
    lines = iter([*text.splitlines(), ""])
    before, indented = "", list[str]()
    for line in lines:
        if indented and line.strip() and not line.startswith("    "):
            yield Block("", "", tuple(indented), fenced=False)
            indented = []
        if fence := re.match(r"(`{3,}|~{3,})\s*(\S*)\s*(.*)$", line):
            inside = []
            while not (line := next(lines)).startswith(fence[1]):
                inside.append(line)
            yield Block(fence[2], fence[3].strip(), tuple(inside), fenced=True)
        elif line.startswith("    ") and (indented or not before.strip()):
            indented.append(line[4:])
        before = line
    if indented:
        yield Block("", "", tuple(indented), fenced=False)


class Reader:
    """Follows a document: writes its files, runs its commands, in a folder and with an environment of its own."""

    def __init__(self, project: Project, empty_store: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.empty_store, self.text, self.monkeypatch = project, empty_store, text, monkeypatch
        self.top = project.folder.parent
        self.last_sweep: list[str] = []
        self.namespace: dict[str, object] = {"__name__": "document"}
        self.handlers: dict[str, Callable[[list[str]], None]] = {
            **dict.fromkeys(SCRIPTS, self._script),
            "prunelab": self._prunelab,
            "prunelab-ui": self._ui,
            "make": self._make,
            "pip": self._pip,
            "createdb": self._createdb,
            "ray": self._ray,
            "export": self._export,
            "mkdir": self._mkdir,
            "cd": self._cd,
            "python": self._python,
        }

    def follow(self, block: Block) -> int:
        """How many commands of the block were run; a program is one."""
        if block.is_shell:
            for command in block.commands:
                self._run(command, block.label)
            return len(block.commands)
        assert block.language == "text" or not block.has_commands, f"commands in a block that is not sh: {block.lines}"
        if block.fenced and block.label:
            path = self._inside(self.project.folder / block.label)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(block.lines) + "\n")
        if block.language == "python":
            code = compile("\n".join(block.lines), block.label or "document", "exec")
            if not block.label:
                self._execute(code)
                return 1
        return 0

    def _execute(self, code: CodeType) -> None:
        """As in an interpreter that was started where the reader is; commands do not find modules through its path."""
        with self.monkeypatch.context() as patch:
            patch.chdir(self.project.folder)
            patch.syspath_prepend(self.project.folder)
            exec(code, self.namespace)

    def _run(self, command: str, label: str) -> None:
        first, *arguments = shlex.split(command, comments=True)
        assert first in self.handlers, f"{command}: nobody knows how to run {first}; tests/test_docs.py has to learn it"
        cluster = label == "cluster" or (CLUSTER.search(command) and "--config-dir" not in arguments)
        if first == "prunelab" and cluster:
            self._compose(arguments)
        elif first in SCRIPTS and cluster:
            self._without_server(first, arguments)
        else:
            self.handlers[first](arguments if first in ("prunelab", "prunelab-ui") else [first, *arguments])

    def _prunelab(self, arguments: list[str]) -> None:
        if any(argument.startswith("-") and argument not in ("-m", "--config-dir") for argument in arguments):
            self._succeeds("prunelab", arguments)
            return
        wanted = small(arguments)
        fresh = [argument for argument in wanted if not argument.startswith("resume=")]
        if len(fresh) < len(wanted) and self.last_sweep != fresh:
            self._succeeds("prunelab", fresh)  # something to resume
        outcome = self._succeeds("prunelab", [self._named(argument) for argument in wanted])
        self.last_sweep = fresh
        assert "test accuracy" in outcome.output

    def _script(self, command: list[str]) -> None:
        name, *arguments = command
        arguments = [self._named(argument) for argument in arguments]
        for argument in arguments:
            self._have_job(argument)
            self._have_picture(argument)
        self._succeeds(name, on_digits(arguments))

    def _have_job(self, argument: str) -> None:
        """A job that is named by what the shortened sweeps left out is run now."""
        known = {run.info.run_name for run in self.project.runs("job")}
        if (match := re.fullmatch(r"(\w+)-(\d+)", argument)) and argument not in known:
            self._succeeds("prunelab", small([f"method={match[1]}", f"percentage={match[2]}"]))

    def _have_picture(self, argument: str) -> None:
        """A picture that a reader has, and the document does not make."""
        path = self.project.folder / argument
        if path.suffix == ".png" and not path.exists():
            Image.new("L", (8, 8), 128).save(self._inside(path))

    def _ui(self, arguments: list[str]) -> None:
        """All but the server itself, which is run in tests/tracking/test_ui.py."""

        @contextmanager
        def server(*_: object) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(wait=lambda: 0)

        with self.monkeypatch.context() as patch:
            patch.setattr("prunelab.tracking.server.running", server)
            outcome = self._succeeds("prunelab-ui", on_digits(arguments))
        assert "comparison: http" in outcome.output

    def _without_server(self, name: str, arguments: list[str]) -> None:
        """As far as it comes without one: to the address, which does not answer."""
        outcome = self._in_process(name, [*(a for a in arguments if not a.startswith("tracking.uri=")), NO_SERVER])
        assert outcome.status == 1, outcome.output
        assert "no MLflow server answers there" in outcome.output

    def _compose(self, arguments: list[str]) -> None:
        """What a job of the sweep is, and that its values are accepted, without running it."""
        if "--cfg" in arguments:
            self._succeeds("prunelab", arguments)
            return
        first = [argument.partition(",")[0] for argument in whole(arguments) if argument != "-m"]
        assert (
            "_target_" in self._succeeds("prunelab", [*first, "--cfg", "hydra", "--package", "hydra.launcher"]).output
        )
        compose_job([argument for argument in first if not argument.startswith("hydra")])

    def _make(self, command: list[str]) -> None:
        done = subprocess.run([command[0], "-n", *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _pip(self, command: list[str]) -> None:
        assert command[1] == "install"
        extras = distribution("prunelab").metadata.get_all("Provides-Extra") or []
        for package in command[2:]:
            match = re.fullmatch(r"prunelab(?:\[([\w,]+)\])?", package)
            assert match, f"{package}: only prunelab is installed by a document"
            assert set((match[1] or "dev").split(",")) <= set(extras)

    def _createdb(self, command: list[str]) -> None:
        assert f"make server DATABASE=postgresql:///{command[1]}" in self.text

    def _ray(self, command: list[str]) -> None:
        scripts = pytest.importorskip("ray.scripts.scripts", reason="the extra `ray` is not installed")
        scripts.cli.commands[command[1]].make_context("ray", command[2:])  # refuses options that are none

    def _export(self, command: list[str]) -> None:
        for assignment in command[1:]:
            name, _, value = assignment.partition("=")
            value = value.replace("$PWD", str(self.project.folder)).replace("$PATH", os.environ["PATH"])
            inherited = os.environ.get(name, "") if name == "PYTHONPATH" else ""
            self.monkeypatch.setenv(name, os.pathsep.join(filter(None, [value, inherited])))
            if name == "PYTHONPATH":
                self.monkeypatch.syspath_prepend(value)

    def _mkdir(self, command: list[str]) -> None:
        self._inside(self.project.folder / command[-1]).mkdir(parents=True)

    def _cd(self, command: list[str]) -> None:
        folder = self._inside(self.project.folder / command[1])
        assert folder.is_dir()
        self.project = Project(folder) if (folder / "mlruns").exists() else new_project(folder, self.empty_store)

    def _python(self, command: list[str]) -> None:
        subprocess.run([sys.executable, *command[1:]], cwd=self.project.folder, check=True, capture_output=True)

    def _inside(self, path: Path) -> Path:
        assert path.resolve().is_relative_to(self.top)
        return path.resolve()

    def _named(self, argument: str) -> str:
        """With the names of the document's sweeps replaced by those of the newest such sweeps here."""

        def here(match: re.Match[str]) -> str:
            newest, *older = [run.info.run_name for run in reversed(self.project.runs("sweep"))]
            if argument.startswith("resume="):
                return newest
            return next((name for name in (newest, *older) if name.startswith(f"{match[1]} ")), newest)

        return DATED.sub(here, argument)

    def _succeeds(self, name: str, arguments: list[str]) -> Outcome:
        outcome = self._in_process(name, arguments)
        assert outcome.status == 0, f"{name} {shlex.join(arguments)}\n{outcome.output}"
        return outcome

    def _in_process(self, name: str, arguments: list[str]) -> Outcome:
        if "hydra/launcher=joblib" in arguments:
            loky = pytest.importorskip("joblib.externals.loky", reason="the extra `joblib` is not installed")
            loky.get_reusable_executor().shutdown(wait=True)  # earlier workers know an earlier environment
        return in_process(name, SCRIPTS[name].load(), self.project.folder, *arguments)


def whole(arguments: list[str]) -> list[str]:
    """With something in place of `...`, by which a document means any sweep."""
    return [word for a in arguments for word in (["method=weight", "percentage=0,90"] if a == "..." else [a])]


def on_digits(arguments: list[str]) -> list[str]:
    """In the experiment of the digits, unless another one is meant."""
    elsewhere = any(argument.startswith(("data=", "tracking.")) for argument in arguments)
    return arguments if elsewhere else [*arguments, "data=digits"]


def small(arguments: list[str]) -> list[str]:
    """The same on small data; of many values the first and the last, of a stored sweep a part."""
    words = [word for word in whole(arguments) if word.partition("=")[0] not in SMALL or _is_own(word)]
    keys = {word.partition("=")[0] for word in words}
    added = {key: value for key, value in SMALL.items() if key not in keys}
    experiment = next((a.partition("=")[2] for a in arguments if a.startswith("experiment=")), None)
    if experiment == "until":
        added["until.resolution"] = "25"
    elif experiment == "search":
        added["hydra.sweeper.n_trials"] = "2"
    elif experiment is not None and "--config-dir" not in words:
        added |= {key: value for key, value in {"percentage": "0,90", "seed": "0"}.items() if key not in keys}
    return [*_fewer(words), *(f"{key}={value}" for key, value in added.items())]


def _is_own(word: str) -> bool:
    """Whether it names data or a network that the document itself brings, or that its checkpoint is not trained."""
    return word == "training.epochs=0" or (word.startswith(("data=", "model=")) and word != "data=fashion_mnist")


def _fewer(words: list[str]) -> list[str]:
    """At most `JOBS` jobs, if ends of the swept values are enough: of all, and then one seed alone."""
    ends = {word: re.sub(r"=([^,(]+),(?:.*,)?([^,]+)$", r"=\1,\2", word) for word in words if not word.startswith("-")}
    words = [ends.get(word, word) for word in words]
    if 2 ** sum("," in word for word in words) > JOBS:
        words = [word.partition(",")[0] if word.startswith("seed=") else word for word in words]
    return words


@pytest.fixture
def unillustrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps leave an empty figure and an empty page; tests/report and tests/sweep look at the real ones."""
    monkeypatch.setattr("prunelab.report.outcome.draw", lambda results, pictures: {"accuracy": Figure()})
    monkeypatch.setattr("prunelab.report.outcome.page", lambda *_, **__: "<p>left out</p>")


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
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
