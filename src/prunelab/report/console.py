"""Standard output, for the tables and plots at the end of a command."""

from __future__ import annotations

import io
import sys
from typing import Any

from rich import control
from rich.console import Console

from prunelab.errors import DIRECTIONS

# What is printed may quote a store that somebody else wrote. rich takes a few control characters out of every text,
# here all of them that a terminal obeys.
control._CONTROL_STRIP_TRANSLATE.update(
    dict.fromkeys({*range(0x20), *range(0x7F, 0xA0), *DIRECTIONS} - {ord("\n"), ord("\t")})
)

WIDTH = 132
"""Columns of a table in a pipe or a log, where there is no terminal to say."""
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
"""How a sentence is printed: as it is, in one line."""


def terminal() -> Console:
    """As wide as the terminal, or wide enough for the tables where it is none; never fails on a letter it lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
