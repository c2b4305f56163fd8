"""Log messages of the commands: Python's `logging`, on standard error. Results go to standard output.

Warnings are always shown; progress (INFO), unless `-q` is given; details (DEBUG), with `-v`.
A program that uses the library configures the logger `prunelab` like any other.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prunelab.errors import spelled_out

if TYPE_CHECKING:
    from rich.console import RenderableType

LEVELS = {
    **{"-q": logging.WARNING, "--quiet": logging.WARNING},
    **{"-v": logging.DEBUG, "--verbose": logging.DEBUG},
}
FLAGS = {"-v, --verbose": "log more", "-q, --quiet": "log nothing but warnings; results are still printed"}
"""For a command's help."""

log = logging.getLogger("prunelab")
_transient = 0
"""Width of the line that the next one overwrites."""


class _StandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is then. Control characters are escaped: a message may quote a foreign store."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message; details with the module that they come from."""
        try:
            prefix = f"{record.name}: " if record.levelno < logging.INFO else ""
            print(_over(spelled_out(prefix + self.format(record))), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


def begin(arguments: Sequence[str] = ()) -> list[str]:
    """Log from now on, at the level that `-v` or `-q` ask for, the last of them; returns the other arguments."""
    flags = [argument for argument in arguments if argument in LEVELS]
    use(LEVELS[flags[-1]] if flags else logging.INFO)
    return [argument for argument in arguments if argument not in LEVELS]


def use(level: int) -> None:
    """Log from this `level` of `logging` on, in this process."""
    log.setLevel(level)
    if not any(isinstance(handler, _StandardError) for handler in log.handlers):
        log.addHandler(_StandardError())


def on_terminal() -> bool:
    """Whether progress should be shown: stderr is a terminal, and `-q` was not given."""
    return sys.stderr.isatty() and log.isEnabledFor(logging.INFO)


def status(line: str) -> None:
    """Log that a command is at work, on a terminal only."""
    if on_terminal():
        log.info(line)


def transient(line: str) -> None:
    """Write a line that the next one overwrites, on a terminal only."""
    if on_terminal():
        global _transient
        print(_over(line), end="\r", file=sys.stderr, flush=True)
        _transient = len(line)


def _over(line: str) -> str:
    """A line that leaves nothing of a transient one before it."""
    global _transient
    width, _transient = _transient, 0
    return line.ljust(width)


def as_text(what: RenderableType) -> str:
    """A table as plain text, for a message."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=100).print(what)
    return text.getvalue().rstrip()


def follow_hydra(verbose: object) -> None:
    """Treat `hydra.verbose=true` like `-v`; logger names are handled by Hydra."""
    if verbose is True:
        log.setLevel(logging.DEBUG)
