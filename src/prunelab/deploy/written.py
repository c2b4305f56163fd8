"""Files that appear together, each of them complete, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from prunelab.errors import ExportError

TEMPORARY = ".prunelab-export-"
"""The beginning of the name of the folder in which files are written, beside where they will be."""


def refuse(paths: Sequence[Path], force: bool) -> None:
    """Refuse, before any work, files that exist (unless `force`) or cannot be written, all in one folder.

    Raises:
        ExportError: naming the first.
    """
    first = paths[0]
    for path in paths:
        if path.is_dir():
            raise ExportError(f"{path} cannot be written: it is a folder; --output takes a file in one")
        if path.exists() and not force:
            raise ExportError(f"{path} exists: --force replaces it, --output names another file")
    if not first.parent.is_dir():
        raise ExportError(f"{first} cannot be written: there is no folder {first.parent}")
    try:
        with TemporaryDirectory(dir=first.parent, prefix=TEMPORARY) as place:
            for path in paths:  # a name may be too long
                (Path(place) / path.name).touch()
    except OSError as error:
        raise ExportError(f"{first} cannot be written: {error.strerror or error}") from error


def write_together(contents: Mapping[Path, bytes], check: Callable[[Mapping[Path, Path]], object]) -> None:
    """Write each in a temporary folder beside it; once `check` has seen where they are, move them into place, in order.

    Raises:
        ExportError: if they cannot be written.
        Exception: what `check` raises. Nothing new is left behind in either case, nor on an interruption.
    """
    first = next(iter(contents))
    fresh = {path for path in contents if not path.exists()}
    moved: set[Path] = set()
    try:
        with TemporaryDirectory(dir=first.parent, prefix=TEMPORARY) as folder:
            places = {path: Path(folder) / path.name for path in contents}
            for path, content in contents.items():
                with places[path].open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            check(places)
            for path, place in places.items():
                moved.add(path)
                place.replace(path)
    except BaseException as error:
        for path in moved & fresh:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportError(f"{first} cannot be written: {error.strerror or error}") from error
        raise
