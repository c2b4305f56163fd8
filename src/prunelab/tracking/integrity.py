"""Whether a store's SQLite file is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def intact(database: Path) -> list[str]:
    """What SQLite's own check of pages, indices and references finds; empty if all is well."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            pages = [str(words) for (words,) in connection.execute("pragma quick_check")]
    except sqlite3.Error as error:
        return [str(error)]
    return [words for words in pages if words != "ok"]
