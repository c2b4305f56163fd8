"""The documents of this repository, and the blocks of commands, files and programs in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = {entry.name: entry for entry in distribution("prunelab").entry_points.select(group="console_scripts")}
COMMANDS = (*SCRIPTS, "make", "pip", "createdb")
SHELLS = ("sh", "bash", "shell", "console")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block: `language` and `label` are what its fence says, both empty where it has none."""

    language: str
    label: str
    lines: tuple[str, ...]
    fenced: bool

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS or (not self.fenced and self.has_commands)

    @property
    def has_commands(self) -> bool:
        return any(_first_word(line) in COMMANDS for line in self.lines)

    @property
    def commands(self) -> list[str]:
        """Lines that end with a backslash go on; comments are no commands."""
        whole = "\n".join(line.removeprefix("$ ") for line in self.lines).replace("\\\n", " ")
        return [line for line in whole.splitlines() if shlex.split(line, comments=True)]


def _first_word(line: str) -> str:
    return (line.removeprefix("$ ").split() or [""])[0]


def blocks(text: str) -> Iterator[Block]:
    lines = iter([*text.splitlines(), ""])
    before, indented = "", list[str]()
    for line in lines:
        if indented and line.strip() and not line.startswith("    "):
            yield Block("", "", tuple(indented), fenced=False)
            indented = []
        if fence := re.match(r"(`{3,}|~{3,})\s*(\S*)\s*(.*)$", line):
            inside = []
            while not (line := next(lines)).startswith(fence[1]):
                inside.append(line)
            yield Block(fence[2], fence[3].strip(), tuple(inside), fenced=True)
        elif line.startswith("    ") and (indented or not before.strip()):
            indented.append(line[4:])
        before = line
    if indented:
        yield Block("", "", tuple(indented), fenced=False)
