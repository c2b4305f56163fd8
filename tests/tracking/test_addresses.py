"""Addresses are taken apart without guessing, and those that lead elsewhere are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunelab.errors import StoreError
from prunelab.tracking.addresses import file_of, folder_of, location, refuse_outside, refuse_path, sqlite_file


def test_the_file_of_a_store_is_known_and_a_server_has_none() -> None:
    assert sqlite_file("sqlite:////a%20b/mlflow.db") == Path("/a b/mlflow.db")
    assert sqlite_file("http://127.0.0.1:5000") is None


def test_the_folder_of_an_experiment_comes_back_from_its_address(tmp_path: Path) -> None:
    assert folder_of(location(tmp_path / "with space", "a/b")) == tmp_path / "with space/a/b"
    assert folder_of("mlflow-artifacts:/1/2") is None


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a/", "a\x1bb"])
def test_an_experiment_whose_folder_would_be_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match=r"tracking\.experiment_name=.* is refused"):
        refuse_path(name)
    refuse_path("a/b c")


def test_an_artifact_is_a_file_in_its_runs_folder_and_no_link_out_of_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "inside").touch()
    (tmp_path / "outside").touch()
    (run / "link").symlink_to(tmp_path / "outside")
    assert file_of(run, "inside") == run / "inside"
    for path in ("link", "../outside"):
        with pytest.raises(OSError, match="a link that leads out"):
            file_of(run, path)
    with pytest.raises(OSError, match="is not a regular file"):
        file_of(run, ".")


def test_nothing_is_written_outside_of_the_root_or_through_a_link(tmp_path: Path) -> None:
    root, run = tmp_path / "root", tmp_path / "root/run"
    run.mkdir(parents=True)
    refuse_outside(run.as_uri(), root)
    refuse_outside("mlflow-artifacts:/1/2", root)
    refuse_outside((tmp_path / "elsewhere").as_uri(), None)
    with pytest.raises(StoreError, match=r"outside of tracking\.artifacts="):
        refuse_outside((tmp_path / "elsewhere").as_uri(), root)
    (run / "link").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="nothing is written through links"):
        refuse_outside(run.as_uri(), root)
