"""Getting files that torchvision knows the addresses and MD5 sums of, and trusting none before it is verified.

torchvision downloads into a temporary folder; what has the published sum is renamed into place, file by file. So a file
in place is whole, whatever was interrupted. The layout is torchvision's: a folder that torchvision filled can be used.
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
    """A file at one of several addresses; either one of the published files, or a tar archive that holds them."""

    file: File
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What there is of a data set: the files to be read, and where they come from."""

    name: str
    files: tuple[File, ...]
    downloads: tuple[Download, ...]


def obtain(folder: Path, published: Published) -> None:
    """Make sure that `folder` holds all files, each with the published content.

    Corrupted files are reported and downloaded again.

    Raises:
        DataError: saying what failed, and which files can be put where by hand.
    """
    if not _lacking(folder, published):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{published.name}.lock"):
            for remains in folder.glob(f".{published.name}-*"):  # of a process that was killed
                shutil.rmtree(remains, ignore_errors=True)
            lacking = _lacking(folder, published)
            if lacking:
                _fetch(folder, published, lacking)
    except OSError as error:
        raise DataError(f"the data folder {folder} cannot be written: {error}") from error


def _lacking(folder: Path, published: Published) -> dict[File, str]:
    """The files that `folder` does not hold as published, and what is wrong with each."""
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
                archive = folder / download.file.path  # it may have been put there by hand
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
    """Into the workspace, from the first address that has it."""
    target = workspace / download.file.path
    failures = []
    for address in download.addresses:
        try:
            with timeout(CONNECT_SECONDS):
                download_url(address, target.parent, target.name, download.file.md5)
            return
        except (OSError, RuntimeError, ValueError, HTTPException) as error:
            arrived = target.is_file() and not check_integrity(target, download.file.md5)
            why = "what arrived does not have the published MD5" if arrived else reason(error)
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
    """These files of a verified archive, each under its own name below the workspace, and no others."""
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
    """Into the folder, in one step, if it is as published."""
    if not check_integrity(found, file.md5):
        raise DataError(f"{file.path} does not have the published MD5")
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    found.replace(target)
