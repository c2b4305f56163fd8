"""The rows of a sweep as a table: on the terminal, as Markdown, as CSV."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

from prunelab import names
from prunelab.report.published import ACCURACY, LOSS
from prunelab.report.results import EMPTIED

COLUMNS: dict[str, tuple[str, str]] = {
    "series": ("method", "{}"),
    names.PERCENTAGE: ("%", "{:g}"),
    names.TEST_ACCURACY: ("accuracy", "{:.4f}"),
    names.TEST_LOSS: ("loss", "{:.4f}"),
    names.ACCURACY_DROP: ("drop", "{:+.4f}"),
    names.WEIGHTS_REMAINING: ("weights left", "{:,.0f}"),
    names.NEURONS_REMAINING: ("neurons left", "{:,.0f}"),
    names.COMPRESSION_RATIO: ("smaller by", "{:.2f}x"),
    names.THEORETICAL_SPEEDUP: ("fewer multiply-adds", "{:.2f}x"),
    EMPTIED: ("emptied layers", "{}"),
    ACCURACY: ("report's accuracy", "{:.4f}"),
    LOSS: ("report's loss", "{:.4f}"),
    "n": ("n", "{:.0f}"),
}
"""Each column that a person sees: its heading and how a value of it is written."""
LEAST = (
    *(names.NEURONS_REMAINING, names.WEIGHTS_REMAINING, names.THEORETICAL_SPEEDUP, EMPTIED, names.COMPRESSION_RATIO),
    *(names.TEST_LOSS, names.ACCURACY_DROP),
)
"""The columns that a narrow terminal does without, the first to go first."""


def as_rich(table: pd.DataFrame, title: str, width: int, plain: bool = False) -> Table:
    """For the terminal, without its least columns if it has not the `width`; `plain` for one that has but ASCII."""
    headings, lines = _written(table)
    if _width(headings, lines) > width:
        headings = _broken(headings)
    for column in LEAST:
        if _width(headings, lines) > width and column in table.columns:
            table = table.drop(columns=column)
            headings, lines = _written(table)
            headings = _broken(headings)
    if plain:
        lines = [[cell.replace("±", "+-") for cell in line] for line in lines]
    drawn = Table(title=title, title_justify="left")
    for position, heading in enumerate(headings):
        drawn.add_column(heading, justify="left" if position == 0 else "right", no_wrap=True)
    previous = None
    for line in lines:
        if previous is not None and line[0] != previous:
            drawn.add_section()
        previous = line[0]
        drawn.add_row(*line)
    return drawn


def as_markdown(table: pd.DataFrame) -> str:
    """For the description of a run."""
    headings, lines = _written(table)
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *lines])


def _broken(headings: list[str]) -> list[str]:
    """Headings with a line for each word."""
    return [heading.replace(" ", "\n") for heading in headings]


def _width(headings: list[str], lines: list[list[str]]) -> int:
    """Columns of the terminal that a table takes: those of its widest cells, three for each border, and one."""
    columns = zip(headings, *lines, strict=True)
    return 1 + sum(3 + max(map(len, [*heading.splitlines(), *cells])) for heading, *cells in columns)


def _written(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    shown = [column for column in COLUMNS if column in table.columns]
    if EMPTIED in shown and not table[EMPTIED].any():
        shown.remove(EMPTIED)
    if {names.THEORETICAL_SPEEDUP, names.COMPRESSION_RATIO} <= set(shown) and (
        table[names.THEORETICAL_SPEEDUP] == table[names.COMPRESSION_RATIO]
    ).all():
        shown.remove(names.THEORETICAL_SPEEDUP)
    if "n" in shown and (table["n"] == 1).all():
        shown.remove("n")
    headings = [COLUMNS[column][0] for column in shown]
    return headings, [[_cell(row, column) for column in shown] for _, row in table.iterrows()]


def _cell(row: pd.Series, column: str) -> str:
    if pd.isna(row[column]):
        return ""
    text = COLUMNS[column][1].format(row[column])
    if column == names.TEST_ACCURACY and row.get("n", 1) > 1:
        text += f" ± {row[f'sd {column}']:.4f}"
    return text
