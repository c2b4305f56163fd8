"""A word at once, while the libraries that a command needs take seconds to load."""

from __future__ import annotations

import sys


def say_loading(program: str) -> None:
    """On a terminal, so that nobody thinks that the command hangs; nothing in a log or a pipe."""
    say_on_terminal(f"{program}: loading")


def say_on_terminal(line: str) -> None:
    """A line on standard error, if that is a terminal."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)
