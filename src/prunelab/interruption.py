"""Ctrl-C, SIGTERM, and the end of a job's time on a cluster.

The signals raise KeyboardInterrupt in the main thread, the end of the time OutOfTime. Libraries may turn that into an
error of their own or drop it (in a callback, in a destructor), so the request is also recorded here, and checked where
it matters.
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
_requests: list[tuple[type[BaseException], str]] = []
_held = False


class Interrupted(KeyboardInterrupt):
    """An interruption with a message: what is done, and how to continue."""


class OutOfTime(BaseException):
    """The cluster ends this job. Not an Exception, so that code that handles its own errors does not catch it."""


def listen() -> None:
    """Handle both signals from now on; one that is ignored (SIGINT under `nohup`) stays ignored."""
    _requests.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def asked() -> bool:
    """Whether the program was asked to end since `listen`."""
    return bool(_requests)


def heed() -> None:
    """Stop here if the program was asked to end.

    Raises:
        KeyboardInterrupt, OutOfTime: if it was.
    """
    if _requests:
        kind, words = _requests[-1]
        raise kind(words)


@contextmanager
def heeded() -> Iterator[None]:
    """Run a block; if it fails after the program was asked to end, raise the interruption, not the library's error.

    Raises:
        KeyboardInterrupt, OutOfTime: then, in place of the error.
    """
    try:
        yield
    except Exception:
        heed()
        raise


def end(words: str) -> None:
    """Ask the program to end because its time is over.

    Raises:
        OutOfTime: at once, or at the end of what is `held`.
    """
    _ask(OutOfTime, words)


@contextmanager
def held() -> Iterator[None]:
    """Let short work end before it is interrupted, such as a transaction, whose locks would outlive it.

    Raises:
        KeyboardInterrupt, OutOfTime: at the end, if the program was asked to end meanwhile.
    """
    global _held
    if _held or threading.current_thread() is not threading.main_thread():  # signals are handled in the main thread
        yield
        return
    before, _held = len(_requests), True
    try:
        yield
    finally:
        _held = False
    if len(_requests) > before:
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
    _ask(KeyboardInterrupt, f"signal {number}")


def _ask(kind: type[BaseException], words: str) -> None:
    _requests.append((kind, words))
    if not _held:
        heed()
