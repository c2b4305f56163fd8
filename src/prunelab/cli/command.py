"""What all commands but `prunelab` itself share: flags, overrides, how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from prunelab import logs
from prunelab.compose import compose_job, named_experiment, split_arguments
from prunelab.config import Job
from prunelab.errors import PrunelabError
from prunelab.interruption import interruptible

if TYPE_CHECKING:
    from prunelab.tracking.store import Store

OVERRIDES = (
    "Any KEY=VALUE is an override as for prunelab: where the store is (tracking.uri=sqlite:////x.db), if not here, or "
    "which of its experiments to look at (data=digits), if not all."
)
"""For a command's help."""
NUMBERS = ("runs", "artifacts", "finished", "test accuracy")
WHOLE = ("run id", "finished", "status", "recovery", "seed", "test accuracy")


@dataclass
class Here:
    """Where a command works: what its overrides, and the folder of one's own options, say."""

    overrides: list[str]
    config_dir: Path | None

    @cached_property
    def job(self) -> Job:
        """The configuration; raises ConfigError if it is refused."""
        return compose_job(self.overrides, self.config_dir)

    @cached_property
    def store(self) -> Store:
        """The experiment that is named, or all of the store; raises StoreError if it is not there."""
        from prunelab.tracking.opening import existing_store  # loads MLflow

        return existing_store(self.job.tracking, named_experiment(self.job, self.overrides))


@contextmanager
def command(parser: argparse.ArgumentParser, refused: int = 1) -> Iterator[tuple[Here, argparse.Namespace]]:
    """Parse the command line into (where to work, the other arguments) for the body of a command; end as it ends.

    Raises:
        SystemExit: with status `refused` after an error meant for users, 130 if interrupted, 2 for wrong arguments.
    """
    common = argparse.ArgumentParser(prog=parser.prog, usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    for each in (parser, common):
        each.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with options of your own")
    for flags, words in logs.FLAGS.items():
        parser.add_argument(*flags.split(", "), action="store_true", help=words)
    overrides, others = split_arguments(logs.begin(sys.argv[1:]))
    found, others = common.parse_known_args(others)  # wherever it stands, also behind the name of a subcommand
    arguments = parser.parse_args(others)
    logs.status(f"{parser.prog}: loading")
    try:
        with interruptible(parser.prog):
            yield Here(overrides, found.config_dir), arguments
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
