"""The rows of a sweep as a table: on the page, on the terminal, as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
from rich.table import Table

from prunelab import names
from prunelab.report.layers import few
from prunelab.report.published import ACCURACY, LOSS
from prunelab.report.report_seeds import OVER_SEEDS
from prunelab.report.results import BAR, EMPTIED, same_ratios
from prunelab.report.speed import UNSTEADY, batch_sizes, mark

COLUMNS: dict[str, tuple[str, str]] = {
    "series": ("method", "{}"),
    names.PERCENTAGE: ("%", "{:g}"),
    names.TEST_ACCURACY: ("accuracy", "{:.4f}"),
    OVER_SEEDS[names.TEST_ACCURACY]: ("accuracy over seeds", "{}"),
    names.TEST_LOSS: ("loss", "{:.4f}"),
    OVER_SEEDS[names.TEST_LOSS]: ("loss over seeds", "{}"),
    names.VAL_ACCURACY: ("validation accuracy", "{:.4f}"),
    names.ACCURACY_DROP: ("drop", "{:+.4f}"),
    names.WEIGHTS_REMAINING: ("weights left", "{:,.0f}"),
    names.NEURONS_REMAINING: ("neurons left", "{:,.0f}"),
    names.COMPRESSION_RATIO: ("smaller by", "{:.2f}x"),
    names.THEORETICAL_SPEEDUP: ("fewer MACs", "{:.2f}x"),
    names.FILE_BYTES: ("file, bytes", "{:,.0f}"),
    names.INT8_ACCURACY: ("int8 accuracy", "{:.4f}"),
    names.INT8_BYTES: ("int8, bytes", "{:,.0f}"),
    EMPTIED: ("emptied layers", "{}"),
    ACCURACY: ("published accuracy", "{:.4f}"),
    LOSS: ("published loss", "{:.4f}"),
    "n": ("n", "{:.0f}"),
}
"""Heading and format of every column; those of measured speed come after `BEFORE_SPEED`."""
BEFORE_SPEED = names.THEORETICAL_SPEEDUP
EXPLAINED = {
    names.PERCENTAGE: "%: removed",
    names.TEST_ACCURACY: "accuracy, loss: on the test images",
    names.ACCURACY_DROP: "drop: accuracy lost against the unpruned network",
    names.COMPRESSION_RATIO: "smaller by: all parameters / those that remain",
    names.FILE_BYTES: "file: of the saved network",
    EMPTIED: "emptied layers: those with nothing left",
    "n": "n: seeds",
}
"""Explanations under a terminal's table, of the columns that it has."""
PAGE_ONLY = (names.VAL_ACCURACY,)
"""Columns for which only the page has room beside test accuracy."""
ON_TEST_IMAGES = (
    *(names.TEST_ACCURACY, names.TEST_LOSS, names.ACCURACY_DROP, names.INT8_ACCURACY),
    *OVER_SEEDS.values(),
)
"""Columns hidden in a search, because seeing test results while choosing would bias the choice."""
WITH_BARS = (names.TEST_ACCURACY, names.TEST_LOSS, names.VAL_ACCURACY, names.ACCURACY_DROP)
"""Columns that the page and LaTeX show with their bars."""
MOST_ROWS = 500
"""Rows shown on the page and on a terminal; more make a browser slow, and `results.csv` has all of them."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The text above a column, and whether the column is numeric."""

    text: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, the number to sort it by (empty if it has none), and what hovering shows."""

    text: str
    value: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, ready to be written as HTML, for a terminal, as Markdown or as LaTeX."""

    headings: list[Heading]
    lines: list[list[Cell]]

    @property
    def texts(self) -> list[list[str]]:
        return [[cell.text for cell in line] for line in self.lines]

    @property
    def broken(self) -> Sheet:
        """With each word of a heading on a line of its own."""
        headings = [Heading(heading.text.replace(" ", "\n"), heading.numeric) for heading in self.headings]
        return Sheet(headings, self.lines)

    @property
    def width(self) -> int:
        """Its width on a terminal, in characters: the widest cell of each column, and three for each border."""
        columns = zip(self.headings, *self.texts, strict=True)
        return 1 + sum(3 + max(map(len, [*heading.text.splitlines(), *cells])) for heading, *cells in columns)


def columns_of(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """`COLUMNS` with those of measured speed, for the batch sizes of this table."""
    found: dict[str, tuple[str, str]] = {}
    for column, written in COLUMNS.items():
        found[column] = written
        if column == BEFORE_SPEED:
            for size in batch_sizes(table.columns):
                found[names.speedup(size)] = (f"faster, batch {size}", "{:.2f}x")
            found |= dict.fromkeys(_fastest(table), ("fastest form", "{}"))
    return found


def sheet(
    table: pd.DataFrame,
    wanted: Collection[str] | None = None,
    with_bars: Collection[str] = (names.TEST_ACCURACY,),
    always: Sequence[str] = (),
) -> Sheet:
    """A table over seeds, in those of the `wanted` columns that say something, and in those of `always`.

    Values in the columns of `with_bars` have their bars after ±, if they are means of several seeds.
    """
    written = columns_of(table)
    columns = [column for column in shown(table) if wanted is None or column in wanted]
    columns += [column for column in always if column not in columns]
    numeric = {column for column in columns if pd.api.types.is_numeric_dtype(table[column])}

    def cell(row: Mapping[Hashable, Any], column: str) -> Cell:
        value = f"{row[column]:.9g}" if column in numeric and not pd.isna(row[column]) else ""
        title = row[column] if column == EMPTIED and row[column] != few(row[column]) else ""
        return Cell(text_of(row, column, written[column][1], with_bars), value, title)

    return Sheet(
        [Heading(written[column][0], column in numeric) for column in columns],
        [[cell(row, column) for column in columns] for row in table.to_dict("records")],
    )


def as_rich(table: pd.DataFrame, title: str, width: int, plain: bool = False) -> Table:
    """For a terminal, without its least important columns if it is wider than `width`; `plain` is ASCII only."""
    more = f"; the first {MOST_ROWS} of {len(table):,} rows, all are in {names.RESULTS_FILE}"
    caption = more if len(table) > MOST_ROWS else ""
    table = table.head(MOST_ROWS)
    made = sheet(table, _narrow(table))
    if made.width > width:
        made = made.broken
    for column in _least_important(table):
        if made.width > width and column in table.columns:
            table = table.drop(columns=column)
            made = sheet(table, _narrow(table)).broken
    drawn = Table(title=title, title_justify="left", caption=_explained(table) + caption, caption_justify="left")
    for position, heading in enumerate(made.headings):
        drawn.add_column(heading.text, justify="left" if position == 0 else "right", no_wrap=True)
    for _, lines in groupby(made.texts, key=lambda line: line[0]):
        for line in lines:
            drawn.add_row(*(text.replace("±", "+-") if plain else text for text in line))
        drawn.add_section()
    return drawn


def as_markdown(table: pd.DataFrame) -> str:
    """For the description of a run."""
    made = sheet(table, _narrow(table))
    rule = ["---"] + ["---:"] * (len(made.headings) - 1)
    rows = [[heading.text for heading in made.headings], rule, *made.texts]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def shown(table: pd.DataFrame) -> list[str]:
    """The columns that say something in this table, in order."""
    columns = [column for column in columns_of(table) if column in table.columns]
    silent = {
        EMPTIED: EMPTIED in columns and not table[EMPTIED].any(),
        names.THEORETICAL_SPEEDUP: same_ratios(table),
        "n": "n" in columns and (table["n"] == 1).all(),
    }
    return [column for column in columns if not silent.get(column)]


def text_of(
    row: Mapping[Hashable, Any],
    column: str,
    written: str = "{:.4f}",
    with_bars: Collection[str] = (names.TEST_ACCURACY,),
) -> str:
    """A value by its format, with its bar if it is a mean of several seeds in one of the columns `with_bars`."""
    if pd.isna(row[column]):
        return UNSTEADY if row.get(mark(column)) is True else ""
    text = few(row[column]) if column == EMPTIED else written.format(row[column])
    if column in with_bars and row.get("n", 1) > 1:
        text += f" ± {row[BAR + column]:.4f}"
    return text


def _narrow(table: pd.DataFrame) -> list[str]:
    """The columns for which a terminal or a description has room."""
    hidden = PAGE_ONLY if names.TEST_ACCURACY in table.columns else ()
    return [column for column in shown(table) if column not in hidden]


def _fastest(table: pd.DataFrame) -> list[str]:
    """The column that says which form was the fastest, for the largest batch."""
    return [f"{names.FASTEST}batch_{size}" for size in batch_sizes(table.columns)[-1:]]


def _least_important(table: pd.DataFrame) -> list[str]:
    """The columns that a narrow terminal leaves out, the least important first."""
    *smaller, largest = (names.speedup(size) for size in (batch_sizes(table.columns) or [1]))
    return [
        OVER_SEEDS[names.TEST_LOSS],
        *(names.NEURONS_REMAINING, names.WEIGHTS_REMAINING, names.THEORETICAL_SPEEDUP, *_fastest(table)),
        *(EMPTIED, names.INT8_BYTES, names.FILE_BYTES, *smaller, names.COMPRESSION_RATIO, largest),
        *(names.INT8_ACCURACY, names.TEST_LOSS, names.ACCURACY_DROP),
    ]


def _explained(table: pd.DataFrame) -> str:
    """What the headings of these columns mean."""
    columns = _narrow(table)
    words = [EXPLAINED[column] for column in columns if column in EXPLAINED]
    if batch_sizes(columns):
        words.append("faster: measured, times as fast as the unpruned network, for a batch of that many images")
        words.append("fastest form: the one that took the least time")
    return "; ".join(words)
