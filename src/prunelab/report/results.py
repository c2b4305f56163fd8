"""The rows of a sweep, and their means over seeds.

A `series` is one line in a figure: a method, with its recovery and whatever else the sweep varies beside percentage
and seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from prunelab import names

VARIABLE = ("data", "model", "epochs", "batch_size", "learning_rate", "precision")


@dataclass(frozen=True)
class Results:
    """What finished of a sweep.

    `rows` has one row per job: its parameters (texts), its metrics (numbers) under their names in the store, and
    `run_id`. `curves` has, for each baseline of it, each metric's value per epoch. `verdicts` are what a
    sweep that decides as it goes came to.
    """

    name: str
    rows: pd.DataFrame
    curves: dict[str, dict[str, dict[int, float]]]
    verdicts: tuple[str, ...] = ()

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The rows with their `series`."""
        return _labelled(self.rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Their means over seeds."""
        return _over_seeds(self.labelled)

    @property
    def hidden_layers(self) -> list[str]:
        """The metrics that count what remains per hidden layer, in order."""
        return _layers(self.rows)


EMPTIED = "emptied"
"""The column that flags dead layers: the numbers of the hidden layers that some seed left empty."""


def together(every: Sequence[Results]) -> Results:
    """Several sweeps as one, each row with the name of its sweep; names that are not unique get a number."""
    count = Counter(results.name for results in every)
    labels = [
        results.name if count[results.name] == 1 else f"{results.name} #{number}"
        for number, results in enumerate(every, start=1)
    ]
    return Results(
        name=f"{len(every)} sweeps compared",
        rows=pd.concat(
            [results.rows.assign(**{names.SWEEP_COLUMN: label}) for results, label in zip(every, labels, strict=True)],
            ignore_index=True,
        ),
        curves={run: curve for results in every for run, curve in results.curves.items()},
        verdicts=tuple(
            f"{label}: {words}" for results, label in zip(every, labels, strict=True) for words in results.verdicts
        ),
    )


def unpruned(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean accuracy and loss of the unpruned networks: of all, or of each sweep where several sweeps differ in them."""
    metrics = [names.BASELINE_ACCURACY, names.BASELINE_LOSS]
    if names.SWEEP_COLUMN in rows:
        means = rows.groupby(names.SWEEP_COLUMN, sort=False)[metrics].mean()
        if (means.nunique() > 1).any():
            return {f"unpruned, {sweep}": dict(row) for sweep, row in means.iterrows()}
    return {"unpruned": dict(rows[metrics].mean())}


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `series`: what the line in a figure is called.

    Of several sweeps, those series that more than one of them has are told apart by the sweep.
    """
    others = varied(rows)

    def label(row: pd.Series) -> str:
        words = [str(row["method"])]
        if row["recovery"] != "none":
            words.append(str(row["recovery"]))
        return " + ".join(words) + "".join(f", {column} {row[column]}" for column in others)

    labelled = rows.assign(series=rows.apply(label, axis=1))
    if names.SWEEP_COLUMN in rows:
        clashes = labelled.groupby("series")[names.SWEEP_COLUMN].transform("nunique") > 1
        labelled.loc[clashes, "series"] += ", " + labelled.loc[clashes, names.SWEEP_COLUMN]
    return labelled


def varied(rows: pd.DataFrame, columns: Iterable[str] = VARIABLE) -> list[str]:
    """Those of the columns that do not have one value throughout."""
    return [column for column in columns if rows[column].nunique() > 1]


def _over_seeds(labelled: pd.DataFrame) -> pd.DataFrame:
    """Mean of every metric for each series and percentage, with `n` seeds and columns `sd <metric>` (0 for one seed).

    Of the forms that were the fastest, the commonest.

    Sorted by series in the order in which they first appear, then by percentage.
    """
    metrics = [c for c in labelled.select_dtypes("number").columns if c != names.PERCENTAGE]
    grouped = labelled.groupby(["series", names.PERCENTAGE], sort=False)
    mean = grouped[metrics].mean()
    sd = grouped[metrics].std().fillna(0).add_prefix("sd ")
    emptied = grouped[_layers(labelled)].min().apply(_empty_layers, axis=1).rename(EMPTIED)
    fastest = [grouped[column].agg(_commonest) for column in labelled.columns if column.startswith(names.FASTEST)]
    table = pd.concat([mean, sd, grouped.size().rename("n"), emptied, *fastest], axis=1).reset_index()
    order = {name: position for position, name in enumerate(dict.fromkeys(labelled["series"]))}
    return table.sort_values(
        ["series", names.PERCENTAGE],
        key=lambda column: column.map(order) if column.name == "series" else column,
    ).reset_index(drop=True)


def same_ratios(table: pd.DataFrame) -> bool:
    """Whether multiply-adds shrink exactly as parameters do, as they do without biases."""
    if not {names.THEORETICAL_SPEEDUP, names.COMPRESSION_RATIO} <= set(table.columns):
        return False
    return bool((table[names.THEORETICAL_SPEEDUP] == table[names.COMPRESSION_RATIO]).all())


def _commonest(values: pd.Series) -> str:
    return str(next(iter(values.mode()), ""))


def _layers(rows: pd.DataFrame) -> list[str]:
    columns = [column for column in rows.columns if column.startswith(names.REMAINING)]
    return sorted(columns, key=lambda column: int(column.rpartition("_")[2]))


def _empty_layers(row: pd.Series) -> str:
    return ", ".join(str(layer).rpartition("_")[2] for layer, units in row.items() if units == 0)
