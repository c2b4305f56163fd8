"""A transaction of a local store is not torn by Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from prunelab import interruption
from prunelab.tracking.outage import again


@pytest.fixture
def listening() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interruption.listen()
    yield
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interruption.listen()  # forgets the request
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("listening")
def test_an_interruption_takes_effect_after_the_transaction_of_a_local_store_and_at_once_in_a_request() -> None:
    """SQLAlchemy leaves SQLite locked when a transaction is torn: closing the sweep then waited for itself."""
    ended: list[str] = []

    def interrupted(where: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        ended.append(where)

    for uri in ("sqlite:////x.db", "http://x"):
        with pytest.raises(KeyboardInterrupt):
            again(partial(interrupted, uri), uri)
    assert ended == ["sqlite:////x.db"]
    again(lambda: ended.append("closing"), "sqlite:////x.db")
    assert ended[-1] == "closing", "what is written after an interruption is not interrupted by it again"
