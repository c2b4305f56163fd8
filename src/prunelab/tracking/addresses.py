"""Addresses of stores and of artifacts: what they name, what of them may be shown, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

from prunelab.errors import StoreError, spelled_out


def redacted(text: str) -> str:
    """The text with the passwords of all addresses in it replaced; whatever is written to the store goes through it."""
    return re.sub(r"(://[^\s/:@]*):[^\s/@]*@", r"\1:***@", text)


def sqlite_file(uri: str) -> Path | None:
    """The file of a `sqlite:///` address; None for any other."""
    return Path(unquote(urlparse(uri).path)[1:]) if uri.startswith("sqlite:") else None


def location(artifacts: Path, experiment: str) -> str:
    """The URI of an experiment's folder below the artifact root."""
    return (artifacts / experiment).as_uri()


def folder_of(uri: str) -> Path | None:
    """The folder of a local artifact address; None for a server's."""
    parsed = urlparse(uri)
    return Path(unquote(parsed.path)) if parsed.scheme in ("", "file") else None


def sizes_in(folder: Path) -> dict[str, int]:
    """Bytes of each file below a folder, by its path in it; none where there is no folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def file_of(folder: Path, path: str) -> Path:
    """An artifact in the folder of its run.

    Raises:
        OSError: if it is not a regular file, or a link that leads out of the folder.
    """
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise OSError(f"{file} is a link that leads out of the run's folder")
    if file.exists() and not file.is_file():
        raise OSError(f"{file} is not a regular file")
    return file


def refuse_path(name: str) -> None:
    """Refuse an experiment whose folder would be the artifact root itself, or outside of it.

    Raises:
        StoreError: naming it.
    """
    if spelled_out(name) != name or any(part in ("", ".", "..") for part in name.split("/")):
        raise StoreError(
            f"tracking.experiment_name={name} is refused: artifacts are kept in a folder of that name; it accepts text "
            "without .. or a / at either end"
        )


def refuse_outside(address: str, root: Path | None) -> None:
    """Refuse to write to a run of an earlier process, perhaps somebody else's, whose artifacts are outside `root`.

    Raises:
        StoreError: naming the folder, or a link in it.
    """
    folder = folder_of(address)
    if folder is None or root is None:
        return
    if not folder.resolve().is_relative_to(root.resolve()):
        raise StoreError(
            f"its artifacts are recorded at {folder}, outside of tracking.artifacts={root}; nothing is written there "
            "unless tracking.artifacts= names it"
        )
    link = next((path for path in folder.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise StoreError(f"{link} is a link, and nothing is written through links; delete it")
