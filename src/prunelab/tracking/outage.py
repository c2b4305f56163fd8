"""Outages: a server that is away for a while, a disk that is full or read-only.

Requests to a server that does not answer are repeated with growing pauses. A disk that cannot be written stops the work
with one message; some room is reserved on it, so that runs can still be ended when it is full.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar, cast

import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prunelab import interruption
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.tracking.addresses import redacted, sqlite_file

PATIENCE = 420.0
"""Seconds for which a server that does not answer is asked again: five minutes, and the time it takes to start."""
LONGEST_PAUSE = 20.0
"""Seconds."""
RESERVE = "reserve"
RESERVE_SIZE = 512 * 1024
"""Bytes: SQLite's journal and the pages that ending a few runs changes."""

AWAY = ("failed with exception", "failed with timeout exception")
"""How MLflow says that a request had no answer."""
BROKEN = ("too many 500 error responses", "certificate")
"""What waiting does not help against."""
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")
UNWRITABLE = ("disk is full", "readonly database", "disk i/o error", "unable to open database file")
"""SQLite's words."""
DAMAGED = ("disk image is malformed", "file is not a database", "no such table", "no such column")

T = TypeVar("T")
log = logging.getLogger(__name__)


class Unreachable(StoreError):
    """A server that does not answer."""


class Unwritable(StoreError):
    """A disk that is full, or a folder that may not be written: the next job would fail as this one did."""


def again(action: Callable[[], T], uri: str, done: Callable[[], T | None] | None = None) -> T:
    """The result of `action`, repeated while the server at `uri` is away.

    In a local store no interruption takes effect before the action ends: it would leave the database locked.

    `done` looks, before `action` is repeated, whether it was done already and only the answer was lost.

    Raises:
        Unreachable: if the server is away for longer than PATIENCE.
        Unwritable: if a local store cannot be written.
        StoreError: if the database is damaged, or the server refuses the user.
    """
    began, pause, repeated = time.monotonic(), 1.0, False
    where = f"tracking.uri={redacted(uri)}"
    undisturbed = nullcontext if sqlite_file(uri) is None else interruption.held
    while True:
        try:
            with undisturbed():
                found = done() if done is not None and repeated else None
                result = action() if found is None else found
        except (MlflowException, OSError, Unreachable) as error:
            if _is_unwritable(error, uri):
                raise Unwritable(_words(uri, error)) from error
            if sqlite_file(uri) is not None and any(words in str(error).lower() for words in DAMAGED):
                raise StoreError(f"{where}: the database is damaged (prunelab-store check)") from error
            if isinstance(error, MlflowException) and error.error_code in REFUSED:
                raise StoreError(f"{where}: the server refused the request: {redacted(str(error))}") from error
            if not _is_away(error, uri):
                raise
            waited = time.monotonic() - began
            if waited + pause > PATIENCE:
                raise Unreachable(
                    f"{where}: no answer for {waited / 60:.0f} minutes ({redacted(str(error))}); once it is back, "
                    "resume=last finishes the sweep"
                ) from error
            if not repeated:
                log.warning(f"{where}: no answer, asking again for up to {PATIENCE / 60:.0f} minutes")
            time.sleep(pause)
            pause, repeated = min(2 * pause, LONGEST_PAUSE), True
        else:
            if repeated:
                log.warning(f"{where}: it answers again after {time.monotonic() - began:.0f} s")
            return result


def patient_client(uri: str) -> MlflowClient:
    """MLflow's client, every method of which goes through `again`."""
    return cast(MlflowClient, _Patient(MlflowClient(uri), uri))


class _Patient:
    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value
        return lambda *arguments, **named: again(partial(value, *arguments, **named), self._uri)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Files are written inside.

    Raises:
        Unwritable: instead of an OSError, naming `what`.
    """
    try:
        yield
    except OSError as error:
        raise Unwritable(_words(what, error)) from error


def keep_reserve(tracking: Tracking) -> None:
    """Reserve room on the disk of a local store, if there is any, so that runs can be ended when it is full."""
    if sqlite_file(tracking.uri) is None:
        return
    with suppress(OSError):
        file = tracking.locks / RESERVE
        if not file.is_file() or file.stat().st_size < RESERVE_SIZE:
            file.write_bytes(b"\1" * RESERVE_SIZE)


def release_reserve(tracking: Tracking) -> None:
    """Free the reserved room: the disk is full, and a run has to be ended."""
    with suppress(OSError):
        (tracking.locks / RESERVE).unlink(missing_ok=True)


def _is_away(error: Exception, uri: str) -> bool:
    """Whether asking again may help: no answer from a server, its database away, or a local database in use."""
    text = str(error)
    if isinstance(error, Unreachable):
        return True
    if sqlite_file(uri) is not None:
        return "database is locked" in text
    if isinstance(error, requests.RequestException):
        return error.response is None or error.response.status_code in (429, 502, 503, 504)
    if not isinstance(error, MlflowException):
        return False
    away = error.error_code == "TEMPORARILY_UNAVAILABLE" or any(words in text for words in AWAY)
    return away and not any(words in text for words in BROKEN)


def _is_unwritable(error: Exception, uri: str) -> bool:
    """Whether a local store could not be written; a server reports its own problems."""
    if sqlite_file(uri) is None or isinstance(error, StoreError):
        return False
    if isinstance(error, OSError):
        return not isinstance(error, requests.RequestException)
    return any(words in str(error).lower() for words in UNWRITABLE)


def _words(where: str, error: Exception) -> str:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    reason = next((words for words in UNWRITABLE if words in str(error).lower()), str(error))
    remedy = "free some room" if full or "full" in reason else "make it writable, or name another with tracking.uri="
    return f"{redacted(where)} cannot be written: {reason}; {remedy}, then resume=last finishes a sweep"
