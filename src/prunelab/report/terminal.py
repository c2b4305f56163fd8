"""The accuracy of every series against the percentage removed, small enough for a terminal.

Lines are drawn in braille, eight dots to a character, or in full stops where the encoding has nothing better. A letter
stands at each point that was measured, or beside it where another series has its own, so that lines can be told apart
without colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from string import ascii_lowercase

import pandas as pd
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from prunelab import names
from prunelab.report.looks import looks

ROWS = 12
WIDTH = 100
MOST = 8
"""As many series as can be told apart."""
LABEL = 5  # columns of a number at the y axis
BRAILLE = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of the dots of a character, by row and column
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
UNPRUNED = "dim"


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its points are (percentage, accuracy) in order."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]


def accuracy_plot(table: pd.DataFrame, levels: Sequence[float]) -> Plot | None:
    """The plot of a table over seeds (`report.results`), with the unpruned accuracies as `levels`.

    Of too many series, those with the highest mean accuracy on validation. None if there is but one percentage.
    """
    if table[names.PERCENTAGE].nunique() < 2:
        return None
    ranked = table.groupby("series", sort=False)[names.VAL_ACCURACY].mean().sort_values(ascending=False, kind="stable")
    look = looks(table["series"])
    lines = [
        Line(
            str(series),
            look[str(series)]["color"],
            tuple(zip(part[names.PERCENTAGE], part[names.TEST_ACCURACY], strict=True)),
        )
        for series, part in table.groupby("series", sort=False)
        if series in ranked.index[:MOST]
    ]
    return Plot(tuple(lines), tuple(levels), len(ranked) - len(lines))


@dataclass(frozen=True, slots=True)
class Plot:
    """What Rich prints; `levels` are dotted, `others` series are not drawn."""

    lines: tuple[Line, ...]
    levels: tuple[float, ...]
    others: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As wide as there is room for, up to a limit."""
        plain = options.ascii_only
        columns = max(20, min(options.max_width, WIDTH) - LABEL - 2)
        low, high = _range([*self.levels, *(y for line in self.lines for _, y in line.points)])
        grid = _Grid(columns, low, high, plain)
        for level in self.levels:
            grid.dotted(level, UNPRUNED)
        for line in reversed(self.lines):  # so that the first is on top
            for (x, y), (to_x, to_y) in pairwise(map(grid.place, line.points)):
                grid.stroke(x, y, to_x, to_y, line.colour)
        named = list(zip(ascii_lowercase, self.lines, strict=False))
        for letter, line in named:
            for point in line.points:
                grid.mark(*grid.place(point), letter, line.colour)

        yield Text("test accuracy against % removed", style="bold")
        ticks = {grid.row(value): value for value in _ticks(low, high)}
        for row in range(ROWS):
            axis = "|+│┤"[(row in ticks) + 2 * (not plain)]
            label = f"{ticks[row]:.3g}" if row in ticks else ""
            yield Text.assemble(f"{label:>{LABEL}} {axis}", *grid.characters(row))
        yield Text(" " * (LABEL + 1) + ("+" + "-" * columns if plain else "└" + "─" * columns))
        yield Text(" " * (LABEL + 2) + _percentages(columns))
        entries = [(f"{letter} {line.name}", line.colour) for letter, line in named]
        entries.append(("... unpruned" if plain else "⠂⠂⠂ unpruned", UNPRUNED))
        if self.others:
            entries.append((f"(the best {len(named)} on validation; {self.others} more in the table)", ""))
        yield from _wrapped(entries, min(options.max_width, WIDTH))


@dataclass(slots=True)
class _Grid:
    """Characters in which dots gather; dot (0, 0) is the top left one. The y axis goes from `low` to `high`."""

    columns: int
    low: float
    high: float
    plain: bool
    bits: dict[tuple[int, int], int] = field(default_factory=dict)
    styles: dict[tuple[int, int], str] = field(default_factory=dict)
    letters: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def cell(self) -> tuple[int, int]:
        """Dots of a character, across and down."""
        return (1, 1) if self.plain else (2, 4)

    def place(self, point: tuple[float, float]) -> tuple[int, int]:
        """The dot of a percentage and an accuracy."""
        across, down = self.cell
        x, y = point[0] / 100, (self.high - point[1]) / (self.high - self.low)
        return round(x * (self.columns * across - 1)), round(y * (ROWS * down - 1))

    def row(self, value: float) -> int:
        """The row of characters that an accuracy is in."""
        return self.place((0, value))[1] // self.cell[1]

    def dot(self, x: int, y: int, style: str) -> None:
        """A dot; its character takes this style."""
        at = (x // self.cell[0], y // self.cell[1])
        self.bits[at] = self.bits.get(at, 0) | BITS[y % self.cell[1]][x % self.cell[0]]
        self.styles[at] = style

    def dotted(self, value: float, style: str) -> None:
        """A level, all the way across."""
        for column in range(self.columns):
            self.dot(column * self.cell[0], self.place((0, value))[1], style)

    def stroke(self, x: int, y: int, to_x: int, to_y: int, style: str) -> None:
        """A straight line."""
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        for step in range(steps + 1):
            self.dot(round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps), style)

    def mark(self, x: int, y: int, letter: str, style: str) -> None:
        """A letter instead of dots; where there is another one, to its right, or if there is no room to its left."""
        column, row = x // self.cell[0], y // self.cell[1]
        near = [*range(column, self.columns), *range(column - 1, -1, -1)]
        for at in ((other, row) for other in near if self.letters.get((other, row), letter) == letter):
            self.letters[at], self.styles[at] = letter, style
            break

    def characters(self, row: int) -> list[tuple[str, str]]:
        """What stands in a row, with its styles."""
        runs = groupby(range(self.columns), lambda x: self.styles.get((x, row), ""))
        return [("".join(self._character((x, row)) for x in run), style) for style, run in runs]

    def _character(self, at: tuple[int, int]) -> str:
        if at in self.letters:
            return self.letters[at]
        if at not in self.bits:
            return " "
        return "." if self.plain else chr(BRAILLE + self.bits[at])


def _range(values: list[float]) -> tuple[float, float]:
    """The ends of the y axis; never the same."""
    low, high = min(values), max(values)
    return (low, high) if high - low >= STEPS[0] else (low - STEPS[0], high + STEPS[0])


def _ticks(low: float, high: float) -> list[float]:
    """At most six round numbers from `low` to `high`."""
    step = next((step for step in STEPS if (high - low) / step <= 5), STEPS[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * number for number in range(first, last + 1)]


def _percentages(columns: int) -> str:
    """The numbers under the x axis, each centred under its place, the last one ending with the axis."""
    line = [" "] * columns
    for percentage in range(0, 101, 20):
        text = str(percentage)
        start = min(max(round(percentage / 100 * (columns - 1)) - len(text) // 2, 0), columns - len(text))
        line[start : start + len(text)] = text
    return "".join(line)


def _wrapped(entries: list[tuple[str, str]], width: int) -> list[Text]:
    """The entries of a legend on as many lines as they take, none of them broken."""
    lines = [Text(overflow="ellipsis", no_wrap=True)]
    for entry in entries:
        if lines[-1].plain and len(lines[-1]) + len(entry[0]) + 3 > width:
            lines.append(Text(overflow="ellipsis", no_wrap=True))
        lines[-1].append("   " * bool(lines[-1].plain)).append(*entry)
    return lines
