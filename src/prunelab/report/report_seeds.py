"""The published report's jobs over several seeds, which come with prunelab, beside a run of one seed.

Its methods depend on single layers, and training amplifies rounding, so one network says little about the next.
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
    """How the file was made, and its jobs; None if there is no file."""
    if not place().is_file():
        return None
    text = place().read_text(encoding="utf-8")
    exact = dict.fromkeys(OVER_SEEDS, float)  # pandas' own parser is off by a last digit
    return text.splitlines()[0].removeprefix("# "), pd.read_csv(io.StringIO(text), comment="#", converters=exact)


def beside_seeds(table: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns of `OVER_SEEDS` (texts), for rows of one seed whose configuration is in the file.

    Configurations are compared by the hash of all that determines a job's result. Other rows have nothing there;
    without such rows, or without the file, the table is unchanged.
    """
    known = recorded()
    if known is None or names.CONFIG_HASH not in labelled:
        return table
    every, key = known[1], ["method", names.PERCENTAGE]
    ours = labelled[["series", names.PERCENTAGE, names.CONFIG_HASH]].merge(
        every[[names.CONFIG_HASH, "method"]], on=names.CONFIG_HASH
    )
    grouped = every.groupby(key)
    texts = pd.DataFrame({column: grouped[metric].agg(_mean_and_range) for metric, column in OVER_SEEDS.items()})
    found = ours.merge(texts.reset_index(), on=key)[["series", names.PERCENTAGE, *OVER_SEEDS.values()]]
    one = table.loc[table["n"] == 1, ["series", names.PERCENTAGE]]
    found = one.merge(found, on=["series", names.PERCENTAGE])
    return table if found.empty else table.merge(found, on=["series", names.PERCENTAGE], how="left")


def said_of_seeds(table: pd.DataFrame) -> str:
    """A sentence that explains these columns; empty if the table has none."""
    known = recorded()
    if known is None or not set(OVER_SEEDS.values()) <= set(table.columns):
        return ""
    seeds = known[1]["seed"].nunique()
    return f"Over seeds: mean (and range) of the same jobs over {seeds} seeds, which come with prunelab."


def _mean_and_range(values: pd.Series) -> str:
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def _numbers(column: pd.Series) -> Any:
    return column.astype(int) if column.name == "seed" else column
