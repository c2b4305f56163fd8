"""What `prunelab-ui` refuses before it starts a server."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.conftest import Outcome, Project, in_process

from prunelab.cli.ui import main


def test_a_port_in_use_is_said_with_the_way_out(swept: tuple[Project, Outcome]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        outcome = in_process("prunelab-ui", main, swept[0].folder, "--no-browser", f"--port={port}", "data=digits")
    assert outcome.status == 1
    assert f"prunelab-ui: cannot listen on port {port} of 127.0.0.1" in outcome.output
    assert "make ui PORT=" in outcome.output


def test_a_store_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    outcome = in_process("prunelab-ui", main, tmp_path, "--no-browser")
    assert outcome.status == 1
    assert "there is no store at" in outcome.output
    assert not list(tmp_path.iterdir())


def test_an_experiment_that_is_not_there_is_said_beside_those_that_are(swept: tuple[Project, Outcome]) -> None:
    outcome = in_process("prunelab-ui", main, swept[0].folder, "--no-browser", "data=fashion_mnist")
    assert outcome.status == 1
    assert "there is no experiment fashion-mnist-pruning in" in outcome.output
    assert "digits-pruning" in outcome.output
    assert swept[0].client.get_experiment_by_name("fashion-mnist-pruning") is None


def test_a_file_that_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database " * 100)
    outcome = in_process("prunelab-ui", main, tmp_path, f"tracking.uri=sqlite:///{tmp_path}/notes.db")
    assert outcome.status == 1
    assert "is not an MLflow store" in outcome.output
