"""A configuration composed without running Hydra: its paths are below the current folder, whatever that is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunelab.compose import compose_job


def test_paths_are_below_the_current_folder_unless_the_root_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of (a) $user, x='1'"
    folder.mkdir()
    monkeypatch.chdir(folder)
    job = compose_job(["data=digits"])
    assert job.paths.root == folder
    assert job.tracking.artifacts == folder / "mlruns/artifacts"
    elsewhere = compose_job([f"paths.root={tmp_path}"])
    assert elsewhere.paths.root == tmp_path
    assert elsewhere.data.folder.is_relative_to(tmp_path)
