"""Errors shown to the user without a traceback."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Unicode characters that change the direction of the text after them."""


class PrunelabError(Exception):
    """Base of all errors for users; its text says what was wrong, where, and what is accepted.

    The text may quote a store or a file that somebody else wrote, so control characters in it are escaped.
    """

    def __str__(self) -> str:
        return spelled_out(super().__str__())


def spelled_out(text: str) -> str:
    """A text with its control characters, which a terminal obeys instead of showing them, as escape sequences."""
    return "".join(letter.encode("unicode_escape").decode() if _commands(letter) else letter for letter in text)


def _commands(letter: str) -> bool:
    return letter not in "\n\t" and (unicodedata.category(letter) in ("Cc", "Cs") or ord(letter) in DIRECTIONS)


class ConfigError(PrunelabError):
    """A configuration that is refused."""


class DataError(PrunelabError):
    """A data set that cannot be downloaded or read, or whose files are corrupted."""


class StoreError(PrunelabError):
    """A tracking store that cannot be reached or written, or lacks what was asked for."""


class ExportError(PrunelabError):
    """A network that cannot be exported, or an image that cannot be classified."""


class TrainingError(PrunelabError):
    """A training that failed: a loss that is not a number, a checkpoint that does not fit."""


class NetworkError(PrunelabError):
    """A network that cannot be traced, or whose compacted form would differ from its masked one."""


@contextmanager
def exiting() -> Iterator[None]:
    """End `prunelab` with the text of an error for users, status 1; Hydra would add its own words and a traceback.

    Raises:
        SystemExit: in place of a PrunelabError.
    """
    try:
        yield
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error
