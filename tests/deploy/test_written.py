"""Files appear together and complete, or not at all: where they cannot be written, on Ctrl-C, and after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Outcome, Project
from tests.deploy.test_export import export

from prunelab import interruption
from prunelab.deploy import written
from prunelab.deploy.written import TEMPORARY, write_together
from prunelab.errors import ExportError


@pytest.mark.parametrize("target", ["/proc/out.onnx", "/nowhere/out.onnx", "/tmp"])
def test_an_unwritable_target_is_refused(target: str, swept: tuple[Project, Outcome]) -> None:
    outcome = export(swept[0], "weight-50", f"--output={target}", "--force")
    assert outcome.status == 1
    assert f"{target} cannot be written" in outcome.output
    assert "Traceback" not in outcome.output


def test_files_appear_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a.py", tmp_path / "a.onnx"
    second.mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        write_together({first: b"1", second: b"2"}, lambda files: None)
    assert list(tmp_path.iterdir()) == [second]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_interrupted_while_it_writes_leaves_nothing_behind(
    number: signal.Signals, swept: tuple[Project, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept := tmp_path / "x.safetensors.md").write_text("as it was")
    monkeypatch.setattr(interruption, "_requests", [])
    monkeypatch.setattr(written.os, "fsync", lambda handle: signal.raise_signal(number))
    outcome = export(swept[0], "weight-0", "--format=safetensors", "--force", f"--output={tmp_path / 'x.safetensors'}")
    assert (outcome.status, outcome.output.splitlines()[-1]) == (130, "prunelab-export: interrupted")
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text() == "as it was"


KILLED = """
import os, signal, sys
from pathlib import Path
from prunelab.deploy import written
seen = []
def fsync(handle):
    seen.append(handle)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
written.os.fsync = fsync
written.write_together({Path(name): b"new" for name in sys.argv[1:]}, lambda places: None)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_under_the_name_of_a_file(tmp_path: Path) -> None:
    (kept := tmp_path / "b").write_text("as it was")
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a", kept, tmp_path / "c"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert kept.read_text() == "as it was"
    (left,) = (path for path in tmp_path.iterdir() if path != kept)
    assert left.name.startswith(TEMPORARY)
    assert left.is_dir()
