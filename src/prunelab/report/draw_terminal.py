"""A chart of accuracy against the percentage removed, small enough for a terminal.

Lines are drawn in braille, eight dots to a character, or in full stops if the encoding is ASCII. A letter marks each
measured point, or stands beside it if another series has its letter there, so that lines can be told apart without
colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from string import ascii_lowercase

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from prunelab import names
from prunelab.report.chart import Chart
from prunelab.report.charts import against_percentage
from prunelab.report.results import Results

ROWS = 12
WIDTH = 100
MOST = 8
"""The most series that can be told apart."""
LABEL = 5  # characters of a number beside the y axis
BRAILLE = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of the dots in a character, by row and column
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
UNPRUNED = "dim"


def terminal_chart(results: Results) -> TerminalChart | None:
    """Test accuracy of the series with the highest mean validation accuracy; None for a single percentage."""
    if results.table[names.PERCENTAGE].nunique() < 2:
        return None
    ranked = sorted(results.drawn, key=lambda name: -results.parts[name][names.VAL_ACCURACY].mean())
    return TerminalChart(against_percentage(results)[0], frozenset(ranked[:MOST]), len(results.parts))


@dataclass(frozen=True, slots=True)
class TerminalChart:
    """Renders the lines of a chart in `shown` with rich; `series` is the number of all series, drawn or not."""

    chart: Chart
    shown: frozenset[str]
    series: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As wide as there is room for, up to `WIDTH`."""
        plain = options.ascii_only
        columns = max(20, min(options.max_width, WIDTH) - LABEL - 2)
        lines = [line for line in self.chart.lines if line.name in self.shown]
        levels = self.chart.levels.values()
        low, high = _range([*levels, *(y for line in lines for y in line.y)])
        grid = _Grid(columns, low, high, plain)
        for level in levels:
            grid.dotted(level, UNPRUNED)
        for line in reversed(lines):  # so that the first is on top
            for start, end in pairwise(map(grid.place, line.x, line.y)):
                grid.stroke(start, end, line.look["color"])
        named = list(zip(ascii_lowercase, lines, strict=False))
        for letter, line in named:
            for point in map(grid.place, line.x, line.y):
                grid.mark(*point, letter, line.look["color"])

        yield Text("test accuracy against % removed", style="bold")
        ticks = {grid.place(0, value)[1] // grid.cell[1]: value for value in _ticks(low, high)}
        for row in range(ROWS):
            axis = "|+│┤"[(row in ticks) + 2 * (not plain)]
            label = f"{ticks[row]:.3g}" if row in ticks else ""
            yield Text.assemble(f"{label:>{LABEL}} {axis}", *grid.characters(row))
        yield Text(" " * (LABEL + 1) + ("+" + "-" * columns if plain else "└" + "─" * columns))
        yield Text(" " * (LABEL + 2) + _percentages(columns))
        entries = [(f"{letter} {line.name}", line.look["color"]) for letter, line in named]
        entries.append(("... unpruned" if plain else "⠂⠂⠂ unpruned", UNPRUNED))
        if self.series > len(lines):
            entries.append((f"(the best {len(lines)} on validation; {self.series - len(lines)} more in the table)", ""))
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
        """Dots in a character, across and down."""
        return (1, 1) if self.plain else (2, 4)

    def place(self, percentage: float, accuracy: float) -> tuple[int, int]:
        """The dot of a point."""
        across, down = self.cell
        x, y = percentage / 100, (self.high - accuracy) / (self.high - self.low)
        return round(x * (self.columns * across - 1)), round(y * (ROWS * down - 1))

    def dot(self, x: int, y: int, style: str) -> None:
        """Set a dot; its character takes this style."""
        at = (x // self.cell[0], y // self.cell[1])
        self.bits[at] = self.bits.get(at, 0) | BITS[y % self.cell[1]][x % self.cell[0]]
        self.styles[at] = style

    def dotted(self, value: float, style: str) -> None:
        """Draw a level across the whole width."""
        for column in range(self.columns):
            self.dot(column * self.cell[0], self.place(0, value)[1], style)

    def stroke(self, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
        """Draw a straight line."""
        across, down = end[0] - start[0], end[1] - start[1]
        steps = max(abs(across), abs(down), 1)
        for step in range(steps + 1):
            self.dot(round(start[0] + across * step / steps), round(start[1] + down * step / steps), style)

    def mark(self, x: int, y: int, letter: str, style: str) -> None:
        """Put a letter in place of dots; if another one is there, to its right, or without room to its left."""
        column, row = x // self.cell[0], y // self.cell[1]
        near = [*range(column, self.columns), *range(column - 1, -1, -1)]
        for at in ((other, row) for other in near if self.letters.get((other, row), letter) == letter):
            self.letters[at], self.styles[at] = letter, style
            break

    def characters(self, row: int) -> list[tuple[str, str]]:
        """The characters of a row, in runs of one style."""
        runs = groupby(range(self.columns), lambda x: self.styles.get((x, row), ""))
        return [("".join(self._character((x, row)) for x in run), style) for style, run in runs]

    def _character(self, at: tuple[int, int]) -> str:
        if at in self.letters:
            return self.letters[at]
        if at not in self.bits:
            return " "
        return "." if self.plain else chr(BRAILLE + self.bits[at])


def _range(values: list[float]) -> tuple[float, float]:
    """The ends of the y axis, never equal."""
    low, high = min(values), max(values)
    return (low, high) if high - low >= STEPS[0] else (low - STEPS[0], high + STEPS[0])


def _ticks(low: float, high: float) -> list[float]:
    """At most six round numbers from `low` to `high`."""
    step = next((step for step in STEPS if (high - low) / step <= 5), STEPS[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * number for number in range(first, last + 1)]


def _percentages(columns: int) -> str:
    """The numbers below the x axis, each centred, the last one ending with the axis."""
    line = [" "] * columns
    for percentage in range(0, 101, 20):
        text = str(percentage)
        start = min(max(round(percentage / 100 * (columns - 1)) - len(text) // 2, 0), columns - len(text))
        line[start : start + len(text)] = text
    return "".join(line)


def _wrapped(entries: list[tuple[str, str]], width: int) -> list[Text]:
    """The entries of a legend on as many lines as needed, none of them broken."""
    lines = [Text(overflow="ellipsis", no_wrap=True)]
    for entry in entries:
        if lines[-1].plain and len(lines[-1]) + len(entry[0]) + 3 > width:
            lines.append(Text(overflow="ellipsis", no_wrap=True))
        lines[-1].append("   " * bool(lines[-1].plain)).append(*entry)
    return lines
