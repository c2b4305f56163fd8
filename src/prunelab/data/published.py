"""Download and verify files whose addresses and MD5 sums torchvision publishes.

torchvision downloads into a temporary folder, and each file with the published sum is renamed into place. So a file in
place is complete, even after an interruption. The layout is torchvision's: a folder filled by torchvision can be used.
"""

from __future__ import annotations

import logging
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock
from torchvision.datasets.utils import check_integrity, download_url

from prunelab.data.fetch import CONNECT_SECONDS, reason, timeout
from prunelab.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    """A file below the data folder, and the MD5 of its content."""

    path: str
    md5: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file at one of several addresses: one of the published files, or a tar archive of them."""

    file: File
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A published data set: the files to read, and where they can be downloaded."""

    name: str
    files: tuple[File, ...]
    downloads: tuple[Download, ...]


def obtain(folder: Path, published: Published) -> None:
    """Make sure that `folder` holds all files with the published content.

    Corrupted files are reported and downloaded again.

    Raises:
        DataError: saying what failed, and where files can be put by hand.
    """
    if not _lacking(folder, published):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{published.name}.lock"):
            for remains in folder.glob(f".{published.name}-*"):  # left by a process that was killed
                shutil.rmtree(remains, ignore_errors=True)
            lacking = _lacking(folder, published)
            if lacking:
                _fetch(folder, published, lacking)
    except OSError as error:
        raise DataError(f"the data folder {folder} cannot be written: {error}") from error


def _lacking(folder: Path, published: Published) -> dict[File, str]:
    """The files missing from `folder` or different from the published ones, and what is wrong with each."""
    return {
        file: "corrupted" if (folder / file.path).is_file() else "missing"
        for file in published.files
        if not check_integrity(folder / file.path, file.md5)
    }


def _fetch(folder: Path, published: Published, lacking: dict[File, str]) -> None:
    for file, why in lacking.items():
        if why == "corrupted":
            log.warning(f"data: {folder / file.path} is corrupted; downloading it again")
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{published.name}-") as temporary:
        workspace = Path(temporary)
        for download in published.downloads:
            if download.file in lacking:
                _download(download, workspace, published, folder, lacking)
                _place(workspace / download.file.path, folder, download.file)
            elif download.file not in published.files:
                archive = folder / download.file.path  # the user may have put it there
                if not check_integrity(archive, download.file.md5):
                    _download(download, workspace, published, folder, lacking)
                    archive = workspace / download.file.path
                _unpack(archive, workspace, list(lacking))
                for file in lacking:
                    _place(workspace / file.path, folder, file)
    log.info(f"data: {published.name}, verified")


def _download(
    download: Download, workspace: Path, published: Published, folder: Path, lacking: dict[File, str]
) -> None:
    """Download a file into the workspace from the first address that has it."""
    target = workspace / download.file.path
    failures = []
    for address in download.addresses:
        try:
            with timeout(CONNECT_SECONDS):
                download_url(address, target.parent, target.name, download.file.md5)
            return
        except (OSError, RuntimeError, ValueError, HTTPException) as error:
            arrived = target.is_file() and not check_integrity(target, download.file.md5)
            why = "the downloaded file does not have the published MD5" if arrived else reason(error)
            failures.append(f"  {address}: {why}")
            target.unlink(missing_ok=True)
    wrong = [f"  {folder / file.path}: {why}" for file, why in lacking.items()]
    by_hand = [f"  {folder / d.file.path}  (MD5 {d.file.md5})" for d in published.downloads]
    raise DataError(
        "\n".join(
            [f"{published.name} cannot be downloaded:", *wrong, *failures, "Files can be put there by hand:", *by_hand]
        )
    )


def _unpack(archive: Path, workspace: Path, files: list[File]) -> None:
    """Extract these files, and no others, from a verified archive into the workspace."""
    with tarfile.open(archive) as tar:
        for file in files:
            try:
                content = tar.extractfile(file.path)
            except KeyError:
                content = None
            if content is None:
                raise DataError(f"{archive} does not hold {file.path}")
            target = workspace / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy, 1 << 20)


def _place(found: Path, folder: Path, file: File) -> None:
    """Verify a file and move it into the folder atomically."""
    if not check_integrity(found, file.md5):
        raise DataError(f"{file.path} does not have the published MD5")
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    found.replace(target)
