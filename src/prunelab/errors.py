"""What a person did, or a machine lacks, that stops the work: shown as one message, without a traceback."""

from __future__ import annotations

import unicodedata

DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Characters that turn the direction of what is written after them."""


class PrunelabError(Exception):
    """Base of all errors that are for people; its text says what was wrong, where, and what is accepted.

    The text may quote a store or a file that somebody else wrote, so what would command a terminal is spelled out.
    """

    def __str__(self) -> str:
        return spelled_out(super().__str__())


def spelled_out(text: str) -> str:
    """A text with escape sequences in place of characters that a terminal obeys instead of showing them."""
    return "".join(letter.encode("unicode_escape").decode() if _commands(letter) else letter for letter in text)


def _commands(letter: str) -> bool:
    return letter not in "\n\t" and (unicodedata.category(letter) in ("Cc", "Cs") or ord(letter) in DIRECTIONS)


class ConfigError(PrunelabError):
    """A configuration that cannot be run."""


class DataError(PrunelabError):
    """A data set that cannot be had, or a file of it that is not what it should be."""


class StoreError(PrunelabError):
    """A tracking store that cannot be reached, written, or does not hold what was asked for."""


class ExportError(PrunelabError):
    """A network that cannot be taken away, or an image that it cannot classify."""


class TrainingError(PrunelabError):
    """A training that went wrong: a loss that is not a number, a checkpoint that does not fit."""


class NetworkError(PrunelabError):
    """A network that cannot be traced, or whose compacted form would differ from its masked one."""
