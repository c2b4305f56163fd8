"""What all commands but `prunelab` itself share: flags, overrides, how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from rich.table import Table

from prunelab import logs
from prunelab.compose import split_arguments
from prunelab.errors import PrunelabError
from prunelab.interruption import interruptible

NUMBERS = ("runs", "artifacts", "finished", "test accuracy")
WHOLE = ("run id", "finished", "status", "recovery", "seed", "test accuracy")


@contextmanager
def command(parser: argparse.ArgumentParser, refused: int = 1) -> Iterator[tuple[list[str], argparse.Namespace]]:
    """Parse the command line into (overrides, the other arguments) for the body of a command, and end as it ends.

    Raises:
        SystemExit: with status `refused` after an error meant for users, 130 if interrupted, 2 for wrong arguments.
    """
    for flags, words in logs.FLAGS.items():
        parser.add_argument(*flags.split(", "), action="store_true", help=words)
    overrides, others = split_arguments(logs.begin(sys.argv[1:]))
    arguments = parser.parse_args(others)
    logs.status(f"{parser.prog}: loading")
    try:
        with interruptible(parser.prog):
            yield overrides, arguments
    except (PrunelabError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(refused)


def listing(*headings: str, title: str | None = None) -> Table:
    """An empty table for the terminal: numbers to the right, ids and the like never wrapped."""
    table = Table(title=title, title_justify="left")
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in NUMBERS else "left"
        table.add_column(heading, overflow="fold", justify=justify, no_wrap=heading in WHOLE)
    return table


def started(milliseconds: int) -> str:
    """A start time of the store (ms since 1970) as a table shows it."""
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")
