"""Addresses of stores: what they name, and what of them may be shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse


def redacted(text: str) -> str:
    """A text without the passwords of the addresses in it; whatever goes into the store passes here."""
    return re.sub(r"(://[^\s/:@]*):[^\s/@]*@", r"\1:***@", text)


def sqlite_file(uri: str) -> Path | None:
    """The file of a `sqlite:///` address; None for any other."""
    if not uri.startswith("sqlite:"):
        return None
    return Path(unquote(urlparse(uri).path)[1:])
