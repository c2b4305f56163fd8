"""Ctrl-C and SIGTERM.

Both raise KeyboardInterrupt in the main thread. Libraries may turn that into an error of their own or drop it (in a
callback, in a destructor), so the request is also recorded here, and checked where it matters.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 130
"""The exit status of a command that was interrupted, whichever signal did it."""
_signals: list[int] = []
_held = False


class Interrupted(KeyboardInterrupt):
    """An interruption with a message: what is done, and how to continue."""


def listen() -> None:
    """Handle both signals from now on; one that is ignored (SIGINT under `nohup`) stays ignored."""
    _signals.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def asked() -> bool:
    """Whether the program was asked to end since `listen`."""
    return bool(_signals)


def heed() -> None:
    """Stop here if the program was asked to end.

    Raises:
        KeyboardInterrupt: if it was.
    """
    if _signals:
        raise KeyboardInterrupt(f"signal {_signals[-1]}")


@contextmanager
def held() -> Iterator[None]:
    """Let short work end before it is interrupted, such as a transaction, whose locks would outlive it.

    Raises:
        KeyboardInterrupt: at the end, if the program was asked to end meanwhile.
    """
    global _held
    if _held or threading.current_thread() is not threading.main_thread():  # signals are handled in the main thread
        yield
        return
    before, _held = len(_signals), True
    try:
        yield
    finally:
        _held = False
    if len(_signals) > before:
        heed()


@contextmanager
def interruptible(program: str) -> Iterator[None]:
    """Run a command; if it is interrupted, print a line and exit with `STATUS`, whatever a library made of it.

    Raises:
        SystemExit: as the command does, or with `STATUS`.
    """
    listen()
    words = ""
    try:
        yield
    except KeyboardInterrupt as interruption:
        words = f", {interruption}" if isinstance(interruption, Interrupted) else ""
    except (SystemExit, Exception):
        if not asked():
            raise
    else:
        if not asked():
            return
    print(f"{program}: interrupted{words}", file=sys.stderr)
    sys.exit(STATUS)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _signals.append(number)
    if not _held:
        heed()
