"""A reader who does what a document says: writes its files, runs its commands and programs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from types import CodeType, SimpleNamespace

import pytest
from PIL import Image

from prunelab.compose import compose_job
from tests.conftest import Outcome, Project, in_process, new_project
from tests.documents import ROOT, SCRIPTS, Block
from tests.shortened import small, whole

CLUSTER = re.compile(r"hydra/launcher=\w+|tracking=server|trainer=gpu")
JOB = re.compile(r"(?P<method>\w+)-(?P<percentage>\d+)(-(?P<recovery>(?!seed)\w+))?(-seed(?P<seed>\d+))?")
DATED = re.compile(r"([\w-]+) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
NO_SERVER = "tracking.uri=http://127.0.0.1:9"


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
        searches = "experiment=search" in arguments  # its table is of validation accuracy alone
        assert ("validation accuracy" if searches else "test accuracy") in outcome.output

    def _script(self, command: list[str]) -> None:
        name, *arguments = command
        arguments = [self._named(argument) for argument in arguments]
        for argument in arguments:
            self._have_job(argument)
            self._have_picture(argument)
        self._succeeds(name, arguments)

    def _have_job(self, argument: str) -> None:
        """A job that is named by what the shortened sweeps left out is run now."""
        known = {run.info.run_name for run in self.project.runs("job")}
        if (match := JOB.fullmatch(argument)) and argument not in known:
            overrides = [f"method={match['method']}", f"percentage={match['percentage']}"]
            if match["recovery"] or match["seed"]:  # names say them only in a sweep that varies them
                recovery, seed = match["recovery"], match["seed"]
                overrides += ["-m", *([f"recovery=none,{recovery}"] if recovery else [])]
                overrides += [f"seed={seed},{int(seed) + 1}"] if seed else []
            self._succeeds("prunelab", small(overrides))

    def _have_picture(self, argument: str) -> None:
        """A picture that a reader has, and the document does not make."""
        path = self.project.folder / argument
        if path.suffix == ".png" and not path.exists():
            Image.new("L", (8, 8), 128).save(self._inside(path))

    def _ui(self, arguments: list[str]) -> None:
        """All but the server itself, which is run in tests/cli/test_ui.py."""

        @contextmanager
        def server(*_: object) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(wait=lambda: 0)

        with self.monkeypatch.context() as patch:
            patch.setattr("prunelab.tracking.server.running", server)
            outcome = self._succeeds("prunelab-ui", arguments)
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
        assert command[2] == "-e", (
            "prunelab is installed from its checkout: an index may have another package of its name"
        )
        for package in command[3:]:
            match = re.fullmatch(r"\.(?:\[([\w,]+)\])?", package)
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
