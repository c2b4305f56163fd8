"""The console on standard output, for the tables and charts at the end of a command."""

from __future__ import annotations

import io
import sys
from typing import Any

from rich import control
from rich.console import Console

from prunelab.errors import DIRECTIONS

# What is printed may quote a store that somebody else wrote. rich strips a few control characters from every text; here
# it is told all those that a terminal obeys.
control._CONTROL_STRIP_TRANSLATE.update(
    dict.fromkeys({*range(0x20), *range(0x7F, 0xA0), *DIRECTIONS} - {ord("\n"), ord("\t")})
)

WIDTH = 132
"""Characters in a line of a pipe or a log, which have no width of their own."""
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
"""Options to print a sentence unchanged, in one line."""


def terminal() -> Console:
    """As wide as the terminal, or `WIDTH` without one; letters that the encoding lacks are replaced."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
