"""The rows of a sweep as a table: on the page, on the terminal, as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from prunelab import names
from prunelab.report.layers import few
from prunelab.report.published import ACCURACY, LOSS
from prunelab.report.report_seeds import OVER_SEEDS
from prunelab.report.results import BAR, EMPTIED, same_ratios
from prunelab.report.speed import UNSTEADY, batch_sizes, mark
from prunelab.report.speed import columns as speed_columns

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
    names.THEORETICAL_SPEEDUP: ("fewer multiply-adds", "{:.2f}x"),
    names.FILE_BYTES: ("file, bytes", "{:,.0f}"),
    names.INT8_ACCURACY: ("int8 accuracy", "{:.4f}"),
    names.INT8_BYTES: ("int8, bytes", "{:,.0f}"),
    EMPTIED: ("emptied layers", "{}"),
    ACCURACY: ("published accuracy", "{:.4f}"),
    LOSS: ("published loss", "{:.4f}"),
    "n": ("n", "{:.0f}"),
}
"""Each column that a person sees beside those of speed: its heading and how a value of it is written."""
EXPLAINED = {
    names.PERCENTAGE: "%: removed",
    names.TEST_ACCURACY: "accuracy, loss: on the test images",
    names.ACCURACY_DROP: "drop: accuracy lost against the unpruned network",
    names.COMPRESSION_RATIO: "smaller by: all parameters / those that remain",
    names.FILE_BYTES: "file: of the saved network",
    EMPTIED: "emptied layers: those with nothing left",
    "n": "n: seeds",
}
"""What stands under the table on a terminal, of the columns that are there."""
BEFORE_SPEED = names.THEORETICAL_SPEEDUP
"""The column after which those of measured speed stand."""
WIDE = (names.VAL_ACCURACY,)
"""Columns for which only the page has room."""
SPREAD = (names.TEST_ACCURACY, names.TEST_LOSS, names.VAL_ACCURACY, names.ACCURACY_DROP)
"""Columns that the page shows with their bars."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands over a column, and whether it is one of numbers."""

    text: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """What is written, the number by which it is sorted (empty where it is none), and what is shown on hover."""

    text: str
    value: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as people see it, on the page, on the terminal, in Markdown and in LaTeX."""

    headings: list[Heading]
    lines: list[list[Cell]]

    @property
    def texts(self) -> list[list[str]]:
        """The lines without what only the page shows."""
        return [[cell.text for cell in line] for line in self.lines]

    @property
    def broken(self) -> Sheet:
        """With a line of its heading for each word."""
        headings = [Heading(heading.text.replace(" ", "\n"), heading.numeric) for heading in self.headings]
        return Sheet(headings, self.lines)

    @property
    def width(self) -> int:
        """Columns of a terminal that it takes: those of its widest cells, three for each border, and one."""
        columns = zip(self.headings, *self.texts, strict=True)
        return 1 + sum(3 + max(map(len, [*heading.text.splitlines(), *cells])) for heading, *cells in columns)


def least(table: pd.DataFrame) -> list[str]:
    """The columns that a narrow terminal does without, the first to go first."""
    *smaller, largest = (names.speedup(size) for size in (batch_sizes(table.columns) or [1]))
    return [
        OVER_SEEDS[names.TEST_LOSS],
        *(names.NEURONS_REMAINING, names.WEIGHTS_REMAINING, names.THEORETICAL_SPEEDUP, *_fastest(table)),
        *(EMPTIED, names.INT8_BYTES, names.FILE_BYTES, *smaller, names.COMPRESSION_RATIO, largest),
        *(names.INT8_ACCURACY, names.TEST_LOSS, names.ACCURACY_DROP),
    ]


def columns_of(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """`COLUMNS` with those of speed, for the batch sizes that were measured."""
    found: dict[str, tuple[str, str]] = {}
    for column, written in COLUMNS.items():
        found[column] = written
        if column == BEFORE_SPEED:
            for size in batch_sizes(table.columns):
                found |= speed_columns(size)
            found |= dict.fromkeys(_fastest(table), ("fastest as", "{}"))
    return found


def _fastest(table: pd.DataFrame) -> list[str]:
    """Of the largest batch, which form took least."""
    return [f"{names.FASTEST}batch_{size}" for size in batch_sizes(table.columns)[-1:]]


def sheet(
    table: pd.DataFrame,
    wanted: Collection[str] | None = None,
    spread: Collection[str] = (names.TEST_ACCURACY,),
    always: Sequence[str] = (),
) -> Sheet:
    """The rows of a sweep as a table, in those of the wanted columns that say something, and in those of `always`.

    In those of `spread` with the bars over seeds.
    """
    written = columns_of(table)
    columns = [column for column in shown(table) if wanted is None or column in wanted]
    columns += [column for column in always if column not in columns]
    numeric = {column for column in columns if pd.api.types.is_numeric_dtype(table[column])}

    def cell_of(row: Mapping[Hashable, Any], column: str) -> Cell:
        value = f"{row[column]:.9g}" if column in numeric and not pd.isna(row[column]) else ""
        title = row[column] if column == EMPTIED and row[column] != few(row[column]) else ""
        return Cell(cell(row, column, spread, written[column][1]), value, title)

    return Sheet(
        [Heading(written[column][0], column in numeric) for column in columns],
        [[cell_of(row, column) for column in columns] for row in table.to_dict("records")],
    )


def narrow(table: pd.DataFrame) -> list[str]:
    """The columns that a terminal or a description has room for."""
    return [column for column in shown(table) if column not in WIDE]


def as_rich(table: pd.DataFrame, title: str, width: int, plain: bool = False) -> Table:
    """For the terminal, without its least columns if it has not the `width`; `plain` for one that has but ASCII."""
    made = sheet(table, narrow(table))
    if made.width > width:
        made = made.broken
    for column in least(table):
        if made.width > width and column in table.columns:
            table = table.drop(columns=column)
            made = sheet(table, narrow(table)).broken
    drawn = Table(title=title, title_justify="left", caption=_explained(table), caption_justify="left")
    for position, heading in enumerate(made.headings):
        drawn.add_column(heading.text, justify="left" if position == 0 else "right", no_wrap=True)
    previous = None
    for line in made.texts:
        if previous is not None and line[0] != previous:
            drawn.add_section()
        previous = line[0]
        drawn.add_row(*(text.replace("±", "+-") if plain else text for text in line))
    return drawn


def _explained(table: pd.DataFrame) -> str:
    """The headings of these columns that need a word."""
    columns = narrow(table)
    words = [EXPLAINED[column] for column in columns if column in EXPLAINED]
    if batch_sizes(columns):
        words.append("faster: measured, times as fast as the unpruned network, for a batch of so many images")
        words.append("fastest as: the form that took least time")
    return "; ".join(words)


def as_markdown(table: pd.DataFrame) -> str:
    """For the description of a run."""
    made = sheet(table, narrow(table))
    rule = ["---"] + ["---:"] * (len(made.headings) - 1)
    rows = [[heading.text for heading in made.headings], rule, *made.texts]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def shown(table: pd.DataFrame) -> list[str]:
    """The columns that say something in this table."""
    columns = [column for column in columns_of(table) if column in table.columns]
    if EMPTIED in columns and not table[EMPTIED].any():
        columns.remove(EMPTIED)
    if names.THEORETICAL_SPEEDUP in columns and same_ratios(table):
        columns.remove(names.THEORETICAL_SPEEDUP)
    if "n" in columns and (table["n"] == 1).all():
        columns.remove("n")
    return columns


def cell(
    row: Mapping[Hashable, Any],
    column: str,
    spread: Collection[str] = (names.TEST_ACCURACY,),
    written: str | None = None,
) -> str:
    """A value as it is `written`; in the columns of `spread` with half the length of its bar, of several seeds."""
    if pd.isna(row[column]):
        return UNSTEADY if row.get(mark(column)) is True else ""
    text = few(row[column]) if column == EMPTIED else (written or COLUMNS[column][1]).format(row[column])
    if column in spread and row.get("n", 1) > 1:
        text += f" ± {row[BAR + column]:.4f}"
    return text
