"""A training, as far as a person sees it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from tests.conftest import SMALL, Project


def test_on_a_login_node_of_a_cluster_lightning_gives_no_hint(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        outcome = project.prunelab(*SMALL, "method=weight", "percentage=0", "training.epochs=1")
    assert outcome.status == 0, outcome.output
    assert not [each for each in seen if "srun" in str(each.message)]
