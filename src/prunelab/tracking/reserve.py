"""Room kept on the disk of a store of files, so that runs can still be closed when the disk is full."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

NAME = "reserve"
SIZE = 512 * 1024
"""Bytes: SQLite's journal and the pages that closing a few runs changes."""


def keep(folder: Path) -> None:
    """Set the room aside, if there is any."""
    with suppress(OSError):
        file = folder / NAME
        if not file.is_file() or file.stat().st_size < SIZE:
            file.write_bytes(b"\1" * SIZE)


def give_up(folder: Path) -> None:
    """Give the room back: the disk is full, and a run has to be closed."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)
