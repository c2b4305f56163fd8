"""Nothing is unpickled from the store, nothing listens beyond this machine, nothing secret or unasked-for goes out."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.conftest import SMALL, Project

from prunelab.tracking.addresses import redacted
from prunelab.tracking.server import command
from prunelab.training.checkpoint import load_weights


class Evil:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (Path.write_text, (self.target, "executed"))  # type: ignore[return-value]


def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "proof"
    torch.save({"state_dict": {"network.0.weight": Evil(target)}}, tmp_path / "evil.ckpt")
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        load_weights(torch.nn.Sequential(torch.nn.Linear(1, 1)), tmp_path / "evil.ckpt")
    assert not target.exists()


def test_a_checkpoint_swapped_in_the_store_is_noticed_and_not_loaded(project: Project, tmp_path: Path) -> None:
    project.prunelab(*SMALL, "percentage=0")
    (run,) = project.runs("baseline")
    target = tmp_path / "proof"
    torch.save(Evil(target), project.artifact(run, "checkpoint/best.ckpt"))
    outcome = project.prunelab(*SMALL, "percentage=0")
    assert outcome.status == 0
    assert "training it again" in outcome.output
    assert not target.exists()


def test_the_ui_listens_on_this_machine_alone_by_default() -> None:
    words = command("sqlite:////x.db", "127.0.0.1", 5000)
    assert words[words.index("--host") + 1] == "127.0.0.1"


def test_passwords_are_taken_out_of_addresses() -> None:
    text = "could not reach http://me:secret@host:5000/x?y=1, nor postgresql://a:b%40c@db/name"
    assert redacted(text) == "could not reach http://me:***@host:5000/x?y=1, nor postgresql://a:***@db/name"
    for harmless in ("sqlite:////a:b/c@d.db", "http://127.0.0.1:5000", "at 12:30 mail me@host"):
        assert redacted(harmless) == harmless


def test_telemetry_is_off_unless_the_user_turns_it_on(project: Project) -> None:
    probe = "import os, prunelab.tracking; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"

    clean = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")}
    for given, expected in (({}, "true"), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "false")):
        done = subprocess.run(
            [sys.executable, "-c", probe], env={**clean, **given}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
