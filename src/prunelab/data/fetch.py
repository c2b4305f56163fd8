"""Obtain and verify the four files of Fashion-MNIST from one of several sources.

The sources are tried in order until all files are there. A file is decompressed under a temporary name, checked against
its published SHA-256 and then renamed into place; a file that does not match is discarded. The checksums are those of
the decompressed files, because Debian's gzip headers differ from the mirrors'.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from torchvision.datasets import FashionMNIST

from prunelab.errors import DataError

FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""SHA-256 of each decompressed file."""

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CONNECT_SECONDS = 5.0
"""Timeout of a connection or read."""
PACKAGE_SECONDS = 120.0
"""Timeout of a command of the package manager."""
log = logging.getLogger(__name__)

Source = Callable[[Path], Path]
"""Takes an empty folder to work in; returns a folder with the files, plain or as `.gz`, or raises."""


def obtain(folder: Path) -> None:
    """Make sure that `folder` holds the four files with the published content.

    Corrupted files are reported and downloaded again; if that fails, they are removed.

    Raises:
        DataError: listing every source and why it failed.
    """
    if not _lacking(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the data folder {folder} cannot be written: {error.strerror}") from error
    with FileLock(folder / ".lock"):
        _fetch(folder, _sources())


def _fetch(folder: Path, sources: dict[str, Source]) -> None:
    """Fetch the files that are missing or corrupted."""
    lacking = _lacking(folder)
    failures = [f"  {folder}: " + ", ".join(f"{name} is {why}" for name, why in lacking.items())]
    for name, why in lacking.items():
        if why != "missing":
            log.warning(f"data: {folder / name} is {why}; fetching it again")
            (folder / name).unlink()
    for label, source in sources.items():
        if not lacking:
            return
        log.info(f"data: trying {label}")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as workspace:
            try:
                found = source(Path(workspace))
                for name in list(lacking):
                    _accept(found, name, folder)
                    del lacking[name]
            except (OSError, RuntimeError, EOFError, subprocess.SubprocessError, DataError) as error:
                failures.append(f"  {label}: {reason(error)}")
                continue
        log.info(f"data: Fashion-MNIST from {label}, verified")
    if lacking:
        raise DataError(
            "Fashion-MNIST could not be obtained from any source:\n"
            + "\n".join(failures)
            + f"\nPut the four files ({', '.join(FILES)}), as they are or gzipped, into {folder}."
        )


def _lacking(folder: Path) -> dict[str, str]:
    """The files missing from `folder` or different from the published ones, and what is wrong with each."""
    lacking = {}
    for name, expected in FILES.items():
        path = folder / name
        if not path.is_file():
            lacking[name] = "missing"
        elif _sha256(path) != expected:
            lacking[name] = "corrupted"
    return lacking


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _accept(found: Path, name: str, folder: Path) -> None:
    """Decompress `name` from the folder `found`, verify it, and move it into `folder` atomically."""
    plain, packed = found / name, found / f"{name}.gz"
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
    try:
        with (
            os.fdopen(handle, "wb") as target,
            plain.open("rb") if plain.is_file() else gzip.open(packed, "rb") as source,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
        if _sha256(Path(temporary)) != FILES[name]:
            raise DataError(f"{name} does not have the published SHA-256")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / name)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sources() -> dict[str, Source]:
    return {
        "files put there by hand": _put_there,
        f"Debian's installed package {DEBIAN_PACKAGE}": _debian_installed,
        "torchvision's download": _torchvision,
        f"Debian's package {DEBIAN_PACKAGE}, fetched": _debian_fetched,
    }


def _put_there(workspace: Path) -> Path:
    folder = workspace.parent
    if not any((folder / f"{name}.gz").is_file() for name in FILES):
        raise DataError("no .gz files there")
    return folder


def _debian_installed(workspace: Path) -> Path:
    if not DEBIAN_FOLDER.is_dir():
        raise DataError("not installed")
    return DEBIAN_FOLDER


def _torchvision(workspace: Path) -> Path:
    with timeout(CONNECT_SECONDS):
        FashionMNIST(str(workspace), download=True)
    return workspace / "FashionMNIST" / "raw"


def _debian_fetched(workspace: Path) -> Path:
    """`apt-get download` with package lists in the workspace, so it needs neither root nor up-to-date system lists."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DataError("this machine has no apt-get and dpkg-deb")
    for folder in ("lists/partial", "cache/archives/partial"):
        (workspace / folder).mkdir(parents=True)
    apt = [
        "apt-get",
        *("-o", f"Dir::State::Lists={workspace / 'lists'}"),
        *("-o", f"Dir::Cache={workspace / 'cache'}"),
        *("-o", f"Acquire::http::Timeout={CONNECT_SECONDS:.0f}"),
        *("-o", f"Acquire::https::Timeout={CONNECT_SECONDS:.0f}"),
        *("-o", "Acquire::Retries=1"),
        *("-o", "APT::Sandbox::User="),
    ]
    _call([*apt, "update"], workspace)
    _call([*apt, "download", DEBIAN_PACKAGE], workspace)
    packages = list(workspace.glob(f"{DEBIAN_PACKAGE}_*.deb"))
    if not packages:
        raise DataError(f"apt-get knows no package {DEBIAN_PACKAGE}")
    _call(["dpkg-deb", "-x", str(packages[0]), str(workspace / "unpacked")], workspace)
    return workspace / "unpacked" / DEBIAN_FOLDER.relative_to("/")


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        timeout=PACKAGE_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise DataError(f"{command[0]} failed: {last}")


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Limit every connection and read of this process, so that it does not hang without internet."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def reason(error: BaseException) -> str:
    """An error's message on one line, or its type if there is none."""
    return " ".join(str(error).split()) or type(error).__name__
