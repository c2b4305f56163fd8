"""Ctrl-C and SIGTERM.

Both raise KeyboardInterrupt where the program is. Libraries may turn that into an error of their own or drop it
(in a callback, in a destructor), so that the request is also remembered here, and asked for where it matters.
"""

from __future__ import annotations

import signal
from types import FrameType

_signals: list[int] = []


def listen() -> None:
    """From now on both signals interrupt the program; one that is ignored (SIGINT behind `nohup`) stays ignored."""
    _signals.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def asked() -> bool:
    """Whether the program was asked to end since `listen`."""
    return bool(_signals)


def heed() -> None:
    """End here if it was asked to.

    Raises:
        KeyboardInterrupt: if it was.
    """
    if _signals:
        raise KeyboardInterrupt(f"signal {_signals[-1]}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    _signals.append(number)
    heed()
