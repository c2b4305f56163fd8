"""The four files come from the first source that has them, verified; what is damaged is never used nor left behind."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from prunelab.data import fetch
from prunelab.errors import DataError

CONTENTS = {name: f"the content of {name}".encode() * 1000 for name in fetch.FILES}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same four names with small contents; and a Debian package that is not installed."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(fetch, "FILES", sums)
    monkeypatch.setattr(fetch, "DEBIAN_FOLDER", tmp_path / "not-installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def write(folder: Path, *, packed: bool, spoil: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENTS.items():
        content = b"something else" if name == spoil else content
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def sources(monkeypatch: pytest.MonkeyPatch, **given: fetch.Source) -> None:
    monkeypatch.setattr(fetch, "_sources", lambda: given)


def fails(workspace: Path) -> Path:
    (workspace / "half").write_bytes(b"a half-finished download")
    raise DataError("no route to host")


def holds(folder: Path) -> bool:
    return all((folder / name).read_bytes() == content for name, content in CONTENTS.items())


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in (*CONTENTS, ".lock"))


def test_files_that_are_there_are_used_and_no_source_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, packed=False)
    sources(monkeypatch, never=lambda workspace: pytest.fail("asked"))
    fetch.obtain(folder)
    assert holds(folder)


def test_gzipped_files_put_there_by_hand_are_unpacked(folder: Path) -> None:
    write(folder, packed=True)
    fetch.obtain(folder)
    assert holds(folder)


def test_debians_installed_package_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(fetch.DEBIAN_FOLDER, packed=True)
    fetch.obtain(folder)
    assert holds(folder)
    assert leftovers(folder) == []


def test_a_source_that_fails_is_followed_by_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = write(tmp_path / "mirror", packed=True)
    sources(monkeypatch, first=fails, second=lambda workspace: good)
    fetch.obtain(folder)
    assert holds(folder)
    assert leftovers(folder) == []


def test_a_corrupted_file_is_said_and_healed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = next(iter(CONTENTS))
    write(folder, packed=False, spoil=name)
    good = write(tmp_path / "mirror", packed=True)
    sources(monkeypatch, mirror=lambda workspace: good)
    fetch.obtain(folder)
    assert holds(folder)
    assert "corrupted" in caplog.text


def test_a_corrupted_download_is_neither_used_nor_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(CONTENTS))
    bad = write(tmp_path / "mirror", packed=True, spoil=name)
    sources(monkeypatch, mirror=lambda workspace: bad)
    with pytest.raises(DataError, match=f"mirror: {name} does not have the published SHA-256"):
        fetch.obtain(folder)
    assert not (folder / name).exists()
    assert leftovers(folder) == []


def test_if_every_source_fails_one_message_lists_each_and_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources(monkeypatch, one=fails, other=fails)
    with pytest.raises(DataError) as refused:
        fetch.obtain(folder)
    for words in ("one: no route to host", "other: no route to host", "is missing", str(folder)):
        assert words in str(refused.value)
    assert leftovers(folder) == []


def test_a_truncated_gzip_file_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = write(tmp_path / "mirror", packed=True)
    for path in cut.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    sources(monkeypatch, mirror=lambda workspace: cut)
    with pytest.raises(DataError, match="mirror"):
        fetch.obtain(folder)
    assert leftovers(folder) == []


def test_the_sources_come_in_the_documented_order() -> None:
    order = list(fetch._sources())
    assert [("hand" in s, "installed" in s, "torchvision" in s, "fetched" in s).index(True) for s in order] == [
        0,
        1,
        2,
        3,
    ]
