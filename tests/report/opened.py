"""A page opened in a browser that has no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

OUTPUT = Path(__file__).parents[1] / "output"


@dataclass
class Opened:
    """A page, what it asked for and what it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def looking(browser: Browser, file: Path, name: str, **options: Any) -> Iterator[Opened]:
    """The page as a file, in a browser without a network that is as the options say; leaves a screenshot."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_offline(True)
    looked_at = Opened(context.new_page())
    looked_at.page.on("request", lambda asked: looked_at.requests.append(asked.url))
    looked_at.page.on("console", lambda message: looked_at.complaints.append(message.text))
    looked_at.page.on("pageerror", lambda error: looked_at.complaints.append(str(error)))
    looked_at.page.goto(file.as_uri())
    yield looked_at
    OUTPUT.mkdir(exist_ok=True)
    looked_at.page.screenshot(path=OUTPUT / f"page-{name}.png", full_page=True)
    context.close()
