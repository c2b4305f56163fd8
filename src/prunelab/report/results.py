"""The rows of a sweep, and their means over seeds.

A `series` is one line in a figure: a method, with its recovery and whatever else the sweep varies beside percentage
and seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from prunelab import names
from prunelab.report.bars import Bars
from prunelab.report.chance import half_width
from prunelab.report.layers import emptied, layer_names
from prunelab.report.reach import Reach, by_seed, families, reaches
from prunelab.report.report_seeds import beside_seeds
from prunelab.report.rivals import Standing, standing
from prunelab.report.series import with_series
from prunelab.report.speed import UNSTEADY, only_steady


@dataclass(frozen=True)
class Results:
    """What finished of a sweep.

    `rows` has one row per job: its parameters (texts), its metrics (numbers) under their names in the store, and
    `run_id`. `curves` has, for each baseline of it, each metric's value per epoch. `verdicts` are what a
    sweep that decides as it goes came to. `bars`: what stands after ± and is drawn as a band. `planned`: how many
    jobs the sweep has, finished or not; 0 where that is not known.
    """

    name: str
    rows: pd.DataFrame
    curves: dict[str, dict[str, dict[int, float]]]
    verdicts: tuple[str, ...] = ()
    bars: Bars = Bars.INTERVAL
    planned: int = 0

    @property
    def incomplete(self) -> str:
        """`incomplete: 20 of 54 jobs`; nothing where all finished."""
        return f"incomplete: {len(self.rows)} of {self.planned} jobs" if len(self.rows) < self.planned else ""

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The rows with their `series`."""
        return with_series(self.rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Their means over seeds."""
        return beside_seeds(_over_seeds(self.labelled, self.bars), self.labelled)

    @cached_property
    def reaches(self) -> dict[str, Reach]:
        """How far each series goes."""
        return reaches(self.labelled)

    @cached_property
    def standings(self) -> list[Standing]:
        """For each family of series that compete, the best and whether chance explains its lead."""
        accuracies = by_seed(self.labelled)
        return [standing(family, accuracies, self.reaches) for family in families(self.labelled)]

    @property
    def seeds(self) -> int:
        """The most networks of one training that a value is the mean of."""
        return int(self.table["n"].max())

    def at(self, series: str, percentage: float) -> pd.Series:
        """The row of the table."""
        return self.table.iloc[self._positions[series, percentage]]

    @cached_property
    def _positions(self) -> dict[tuple[str, float], int]:
        keys = zip(self.table["series"], self.table[names.PERCENTAGE], strict=True)
        return {(str(series), float(percentage)): position for position, (series, percentage) in enumerate(keys)}

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """The names of the layers that each series counts what remains in."""
        return layer_names(self.labelled)


EMPTIED = "emptied"
"""The column that flags dead layers: the names of those that some seed left empty."""


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
        planned=sum(max(results.planned, len(results.rows)) for results in every),
    )


BAR = "± "
"""Begins the name of a column with half the length of another one's bars."""


def _over_seeds(labelled: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    """Mean of every metric for each series and percentage, with `n` seeds and columns `± <metric>` (0 for one seed).

    Of the forms that were the fastest, the commonest. Times that scattered too much are left out.

    Sorted by series in the order in which they first appear, then by percentage.
    """
    labelled = only_steady(labelled)
    metrics = [c for c in labelled.select_dtypes("number").columns if c != names.PERCENTAGE]
    grouped = labelled.groupby(["series", names.PERCENTAGE], sort=False)
    mean = grouped[metrics].mean()
    n = grouped.size()
    deviations = grouped[metrics].std().fillna(0)
    half = deviations
    if bars is Bars.INTERVAL:
        half = pd.DataFrame(half_width(deviations, n.to_numpy()[:, None]), deviations.index, deviations.columns)
    fastest = [grouped[column].agg(_commonest) for column in labelled.columns if column.startswith(names.FASTEST)]
    unsteady = [grouped[column].any() for column in labelled.columns if column.startswith(f"{UNSTEADY} ")]
    table = pd.concat(
        [mean, half.add_prefix(BAR), n.rename("n"), emptied(labelled).rename(EMPTIED), *fastest, *unsteady], axis=1
    ).reset_index()
    order = {name: position for position, name in enumerate(dict.fromkeys(labelled["series"]))}
    return table.sort_values(
        ["series", names.PERCENTAGE],
        key=lambda column: column.map(order) if column.name == "series" else column,
    ).reset_index(drop=True)


def alive(table: pd.DataFrame) -> pd.DataFrame:
    """The table without networks that lost a layer and half of the unpruned accuracy with it.

    They give every image the same answer, and their sizes and times would stretch an axis for nothing.
    """
    dead = (table[EMPTIED] != "") & (table[names.TEST_ACCURACY] < table[names.BASELINE_ACCURACY] / 2)
    return table if dead.all() else table[~dead]


def same_ratios(table: pd.DataFrame) -> bool:
    """Whether multiply-adds shrink exactly as parameters do, as they do without biases."""
    if not {names.THEORETICAL_SPEEDUP, names.COMPRESSION_RATIO} <= set(table.columns):
        return False
    return bool((table[names.THEORETICAL_SPEEDUP] == table[names.COMPRESSION_RATIO]).all())


def _commonest(values: pd.Series) -> str:
    return str(next(iter(values.mode()), ""))
