"""Archives that mean harm, or are damaged, are refused before anything is written."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.archives import archive as archive
from tests.cli.archives import store
from tests.conftest import Project

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def rewritten(archive: Path, target: Path, change: Change) -> Path:
    """The archive with its manifest and its members changed."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    with zipfile.ZipFile(target, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.writestr("manifest.json", json.dumps(manifest))
    return target


def _of(kind: str, manifest: dict[str, Any]) -> dict[str, Any]:
    return next(run for run in manifest["runs"] if run["kind"] == kind)


def _renames(path: str) -> Change:
    """A job's config under another path, in the manifest and in the archive alike."""

    def change(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        job = _of("job", manifest)
        job["files"][path] = job["files"].pop("config.yaml")
        members[f"{job['id']}/{path}"] = members.pop(f"{job['id']}/config.yaml")

    return change


def _tags(kind: str, /, **tags: str) -> Change:
    return lambda manifest, members: _of(kind, manifest)["tags"].update(tags)


def _damages(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    member = next(name for name in members if name.endswith("network.safetensors"))
    members[member] = members[member][:-1] + bytes([members[member][-1] ^ 1])


def _grows(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    member = next(name for name in members if name.endswith("config.yaml"))
    members[member] += b"#" * 1000


HOSTILE: dict[str, tuple[Change, str]] = {
    "up": (_renames("../../../../escaped"), "a path leads down"),
    "up in the middle": (_renames("a/../../../escaped"), "a path leads down"),
    "absolute": (_renames("/tmp/escaped"), "a path leads down"),
    "backslash": (_renames("..\\escaped"), "a path leads down"),
    "control characters": (_renames("a\x1b[2Jb"), "a path leads down"),
    "experiment that is a path": (
        lambda m, _: m.update(experiment="../../escaped"),
        "artifacts are kept in a folder of that name",
    ),
    "experiment that is the folder above": (
        lambda m, _: m.update(experiment=".."),
        "artifacts are kept in a folder of that name",
    ),
    "name with control characters": (lambda m, _: _of("job", m).update(name="a\x1b[2Jb"), "printable characters"),
    "job of a sweep that is in the store": (_tags("job", **{"mlflow.parentRunId": "0" * 32}), "not a part of"),
    "curve of another sweep": (_tags("curve", sweep_id="0" * 32), "not a curve of"),
    "baseline of the store": (_tags("job", baseline_run_id="0" * 32), "its baseline is not in the archive"),
    "another kind": (_tags("job", kind="sweep"), "its tag kind does not match its kind"),
    "no config hash": (lambda m, _: _of("job", m)["tags"].pop("config_hash"), "no tag config_hash"),
    "one bit": (_damages, "is damaged"),
    "more than it says": (_grows, "is damaged"),
    "checkpoint of another digest": (_tags("baseline", checkpoint_sha256="0" * 64), "not what was recorded"),
    "member that is not in the manifest": (lambda _, f: f.update({"../escaped": b"x"}), "but not in both"),
    "file that is not in the archive": (lambda _, f: f.pop(next(iter(f))) and None, "but not in both"),
    "no runs": (lambda m, _: m.update(runs=[]), "is not a sweep"),
    "another format": (lambda m, _: m.update(format=2), "manifest.format"),
    "unknown keys": (lambda m, _: m.update(execute="rm -rf /"), "no such key"),
    "a number that is a text": (lambda m, _: _of("job", m).update(started="now"), "started"),
    "a status that is none": (lambda m, _: _of("job", m).update(status="RUNNING"), "status"),
    "the same run twice": (lambda m, _: m["runs"].insert(0, m["runs"][0]), "the same id"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_message_and_nothing_is_written(
    name: str, archive: Path, tmp_path: Path
) -> None:
    change, words = HOSTILE[name]
    hostile = rewritten(archive, tmp_path / "hostile.zip", change)
    folder = tmp_path / "deep" / "down" / "here"
    folder.mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    outcome = store(Project(folder), "import", str(hostile))
    assert outcome.status == 2
    assert words in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1
    assert "\x1b" not in outcome.output
    assert set(tmp_path.rglob("*")) == before, "not even a store is created"
    assert not Path("/tmp/escaped").exists()


def test_links_encrypted_files_and_what_is_no_archive_are_refused(archive: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as file:
        entry = zipfile.ZipInfo("manifest.json")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    pickle = tmp_path / "pickle.zip"
    pickle.write_bytes(b"cos\nsystem\n(S'touch proof'\ntR.")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-1000])
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    for file, words in (
        (link, "not a plain file"),
        (pickle, "cannot be read as an archive"),
        (cut, "cannot be read as an archive"),
        (empty, "it has no manifest.json"),
        (tmp_path / "none.zip", "No such file"),
        (tmp_path, "is not a file"),
    ):
        outcome = store(Project(tmp_path), "import", str(file))
        assert outcome.status == 2
        assert words in outcome.output
        assert not (tmp_path / "mlruns").exists()
