"""The university report's jobs over several seeds, which come with prunelab, beside a run of one seed.

Its methods hang on single layers, and training amplifies rounding: one network on one machine may be far from the next.
`python -m benchmarks.report_seeds` makes the file from a recorded sweep.
"""

from __future__ import annotations

import io
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import pandas as pd

from prunelab import names

FILE = "report_seeds.csv"
COLUMNS = (names.CONFIG_HASH, "method", names.PERCENTAGE, "seed", names.TEST_ACCURACY, names.TEST_LOSS)
OVER_SEEDS = {names.TEST_ACCURACY: "accuracy over seeds", names.TEST_LOSS: "loss over seeds"}
"""For each of these metrics, the column with its mean and range."""


def place() -> Traversable:
    """Where the file is, if it has been made."""
    return files("prunelab.report") / FILE


def as_csv(rows: pd.DataFrame, head: str) -> str:
    """The file: `head` in a comment, then a line for each job of these rows (metrics and parameters, as in results)."""
    ordered = rows.sort_values(["method", names.PERCENTAGE, "seed"], key=_numbers)
    return f"# {head}\n" + ordered[list(COLUMNS)].to_csv(index=False)


def recorded() -> tuple[str, pd.DataFrame] | None:
    """How the file was made, and its jobs; None where there is no file."""
    if not place().is_file():
        return None
    text = place().read_text(encoding="utf-8")
    return text.splitlines()[0].removeprefix("# "), pd.read_csv(
        io.StringIO(text), comment="#", float_precision="round_trip"
    )


def beside_seeds(table: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns of `OVER_SEEDS`, texts, where rows of one seed are of the very configuration recorded.

    That is known by the hash of all that decides what a job computes. Other rows have nothing there; without such rows,
    or without the file, the table is as it was.
    """
    known = recorded()
    if known is None or names.CONFIG_HASH not in labelled:
        return table
    every = known[1]
    ours = labelled[["series", names.PERCENTAGE, names.CONFIG_HASH]].merge(
        every[[names.CONFIG_HASH, "method"]], on=names.CONFIG_HASH
    )
    if ours.empty:
        return table
    grouped = every.groupby(["method", names.PERCENTAGE])
    texts = pd.DataFrame({column: grouped[metric].agg(_mean_and_range) for metric, column in OVER_SEEDS.items()})
    found = ours.merge(texts.reset_index(), on=["method", names.PERCENTAGE])
    one = table.loc[table["n"] == 1, ["series", names.PERCENTAGE]]
    found = one.merge(found[["series", names.PERCENTAGE, *OVER_SEEDS.values()]], on=["series", names.PERCENTAGE])
    return table if found.empty else table.merge(found, on=["series", names.PERCENTAGE], how="left")


def said_of_seeds(table: pd.DataFrame) -> str:
    """What these columns are, in a sentence; nothing where a table has none."""
    known = recorded()
    if known is None or not set(OVER_SEEDS.values()) <= set(table.columns):
        return ""
    seeds = known[1]["seed"].nunique()
    return f"Over seeds: mean (and range) of the same jobs over {seeds} seeds, which come with prunelab."


def _mean_and_range(values: pd.Series) -> str:
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def _numbers(column: pd.Series) -> Any:
    return column.astype(int) if column.name == "seed" else column
