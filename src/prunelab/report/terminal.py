"""What a person sees on the terminal at the end of a sweep."""

from __future__ import annotations

from rich.console import Console

WIDTH = 132
"""Columns of a table in a pipe or a log, where there is no terminal to say."""


def terminal() -> Console:
    """Standard output: as wide as the terminal, or wide enough for the tables where it is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
