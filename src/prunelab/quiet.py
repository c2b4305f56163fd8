"""Silences other libraries' log messages and warnings where they tell a user nothing."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: str, **ignored: str) -> Iterator[None]:
    """Drop what `logger` logs below errors, and Python's warnings; `ignored` says which (`module=`), else all."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", **ignored)  # type: ignore[arg-type]
            yield
    finally:
        log.setLevel(level)
