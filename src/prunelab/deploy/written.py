"""Files that appear together, each whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prunelab.errors import ExportError


def refuse(paths: Sequence[Path], force: bool) -> None:
    """Refuse, before any work, targets that are there already or cannot be written.

    Raises:
        ExportError: naming the first.
    """
    first = paths[0]
    for path in paths:
        if path.is_dir():
            raise ExportError(f"{path} cannot be written: it is a folder; --output takes a file in one")
        if path.exists() and not force:
            raise ExportError(f"{path} is there already: --force replaces it, --output names another file")
    if not first.parent.is_dir():
        raise ExportError(f"{first} cannot be written: there is no folder {first.parent}")
    try:
        _temporary(first).unlink()
    except OSError as error:
        raise ExportError(f"{first} cannot be written: {error.strerror or error}") from error


def write_together(contents: Mapping[Path, bytes], check: Callable[[Mapping[Path, Path]], None]) -> None:
    """Write each under a temporary name in its folder; once `check` has seen where they are, give them their names.

    Raises:
        ExportError: if they cannot be written, or what `check` raises. Nothing is left behind then.
    """
    written: dict[Path, Path] = {}
    fresh = [path for path in contents if not path.exists()]
    placed: list[Path] = []
    try:
        for path, content in contents.items():
            written[path] = _temporary(path)
            with written[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
        check(written)
        for path, place in written.items():
            place.replace(path)
            placed.append(path)
    except OSError as error:
        for path in set(placed) & set(fresh):
            path.unlink(missing_ok=True)
        raise ExportError(f"{next(iter(contents))} cannot be written: {error.strerror or error}") from error
    finally:
        for place in written.values():
            place.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    return Path(name)
