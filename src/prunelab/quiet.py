"""Other libraries' talk, left out where it tells a user nothing."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: str, **ignored: str) -> Iterator[None]:
    """Without what `logger` says short of errors, and without warnings; `ignored` narrows those (`module=`)."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", **ignored)  # type: ignore[arg-type]
            yield
    finally:
        log.setLevel(level)
