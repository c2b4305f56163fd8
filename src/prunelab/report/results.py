"""The jobs of a sweep, and their means over seeds.

A `series` is one line in a chart: a method, with its recovery and whatever else the sweep varies except percentage and
seed.
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
from prunelab.report.looks import DISTINCT
from prunelab.report.reach import Reach, by_seed, families, reaches
from prunelab.report.report_seeds import beside_seeds
from prunelab.report.rivals import Standing, standing
from prunelab.report.series import unpruned, with_series
from prunelab.report.speed import UNSTEADY, only_steady

EMPTIED = "emptied"
"""Column of the table: the names of the layers that some seed left empty, as a text."""
BAR = "± "
"""Prefix of the column with half the length of another column's bars."""


@dataclass(frozen=True)
class Results:
    """The finished jobs of a sweep.

    `rows` has one row per job: its parameters (texts) and metrics (numbers) under their names in the store, and
    `run_id`. `curves`: for each baseline, each metric's value by epoch. `verdicts`: the conclusions of an adaptive
    sweep (`until`, `search`). `bars`: what follows ± and is drawn as a band. `planned`: the number of jobs in the
    sweep, finished or not; 0 if unknown. `searched`: whether they are the trials of a search.
    """

    name: str
    rows: pd.DataFrame
    curves: dict[str, dict[str, dict[int, float]]]
    verdicts: tuple[str, ...] = ()
    bars: Bars = Bars.INTERVAL
    planned: int = 0
    searched: bool = False

    @property
    def incomplete(self) -> str:
        """`incomplete: 20 of 54 jobs`; empty if all finished."""
        return f"incomplete: {len(self.rows)} of {self.planned} jobs" if len(self.rows) < self.planned else ""

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The rows with a column `series`."""
        return with_series(self.rows)

    @cached_property
    def labelled_parts(self) -> dict[str, pd.DataFrame]:
        """The labelled rows of each series."""
        return {str(name): part for name, part in self.labelled.groupby("series", sort=False)}

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means over seeds, one row per series and percentage."""
        return beside_seeds(_over_seeds(self.labelled, self.bars), self.labelled)

    @cached_property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The rows of the table of each series, by ascending percentage."""
        return {str(name): part for name, part in self.table.groupby("series", sort=False)}

    @cached_property
    def alive(self) -> pd.DataFrame:
        """The table without networks that lost a layer and, with it, half of the unpruned accuracy.

        They give every image the same answer, and their sizes and times would only stretch an axis.
        """
        table = self.table
        dead = (table[EMPTIED] != "") & (table[names.TEST_ACCURACY] < table[names.BASELINE_ACCURACY] / 2)
        return table if dead.all() else table[~dead]

    @cached_property
    def drawn(self) -> list[str]:
        """The series that charts show: all, or if they are too many, those that go furthest on validation."""
        if len(self.parts) <= DISTINCT:
            return list(self.parts)

        def reached(name: str) -> tuple[float, float]:
            held = self.reaches[name].held
            return -1.0 if held is None else held.percentage, float(self.parts[name][names.VAL_ACCURACY].mean())

        best = set(sorted(self.parts, key=reached, reverse=True)[:DISTINCT])
        return [name for name in self.parts if name in best]

    @cached_property
    def unpruned(self) -> dict[str, dict[str, float]]:
        """Mean test accuracy and loss of each unpruned network, by label."""
        return unpruned(self.rows)

    @cached_property
    def references(self) -> dict[str, float]:
        """Mean test accuracy of the unpruned network that each series is fairly compared with.

        That is its own percentage 0, which for a recovery that trains is the baseline with the same extra training, or
        the baseline if the series has none.
        """
        first = self.table.groupby("series", sort=False).head(1)
        own, baseline = first[names.TEST_ACCURACY], first[names.BASELINE_ACCURACY]
        accuracies = own.where(first[names.PERCENTAGE] == 0, baseline).astype(float)
        return dict(zip(first["series"].astype(str), accuracies, strict=True))

    @cached_property
    def reaches(self) -> dict[str, Reach]:
        """How far each series can be pruned within the tolerance."""
        return reaches(self.labelled)

    @cached_property
    def standings(self) -> list[Standing]:
        """For each family of competing series, the best one and whether chance explains its lead."""
        accuracies = by_seed(self.labelled)
        return [standing(family, accuracies, self.reaches) for family in families(self.labelled)]

    @property
    def seeds(self) -> int:
        """The largest number of seeds in a mean."""
        return int(self.table["n"].max())

    def at(self, series: str, percentage: float) -> pd.Series:
        """One row of the table.

        Raises:
            KeyError: if the series was not tried at this percentage.
        """
        return self.table.iloc[self._positions[series, percentage]]

    @cached_property
    def _positions(self) -> dict[tuple[str, float], int]:
        keys = zip(self.table["series"].astype(str), self.table[names.PERCENTAGE].astype(float), strict=True)
        return {key: position for position, key in enumerate(keys)}

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """The names of the layers whose units each series counts."""
        return layer_names(self.labelled)


def together(every: Sequence[Results]) -> Results:
    """Several sweeps as one, each row with the name of its sweep; names that are not unique get a number."""
    count = Counter(results.name for results in every)
    labels = [
        results.name if count[results.name] == 1 else f"{results.name} #{number}"
        for number, results in enumerate(every, start=1)
    ]
    labelled = list(zip(every, labels, strict=True))
    return Results(
        name=f"{len(every)} sweeps compared",
        rows=pd.concat(
            [results.rows.assign(**{names.SWEEP_COLUMN: label}) for results, label in labelled], ignore_index=True
        ),
        curves={run: curve for results in every for run, curve in results.curves.items()},
        verdicts=tuple(f"{label}: {words}" for results, label in labelled for words in results.verdicts),
        planned=sum(max(results.planned, len(results.rows)) for results in every),
    )


def _over_seeds(labelled: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    """Mean of every metric by series and percentage, with the number of seeds `n` and columns `± <metric>`.

    The bars of a single seed are 0. For the fastest form it is the most frequent one. Unsteady times are left out.
    Sorted by series in order of first appearance, then by percentage.
    """
    labelled = only_steady(labelled)
    metrics = [c for c in labelled.select_dtypes("number").columns if c != names.PERCENTAGE]
    grouped = labelled.groupby(["series", names.PERCENTAGE], sort=False)
    n, half = grouped.size(), grouped[metrics].std().fillna(0)
    if bars is Bars.INTERVAL:
        half = pd.DataFrame(half_width(half, n.to_numpy()[:, None]), half.index, half.columns)
    fastest = [grouped[column].agg(_mode) for column in labelled.columns if column.startswith(names.FASTEST)]
    unsteady = [grouped[column].any() for column in labelled.columns if column.startswith(f"{UNSTEADY} ")]
    empty = emptied(labelled).rename(EMPTIED)
    means = [grouped[metrics].mean(), half.add_prefix(BAR), n.rename("n"), empty, *fastest, *unsteady]
    order = {name: position for position, name in enumerate(dict.fromkeys(labelled["series"]))}
    return (
        pd.concat(means, axis=1)
        .reset_index()
        .sort_values(
            ["series", names.PERCENTAGE],
            key=lambda column: column.map(order) if column.name == "series" else column,
        )
        .reset_index(drop=True)
    )


def same_ratios(table: pd.DataFrame) -> bool:
    """Whether multiply-adds shrink exactly as parameters do, as they do without biases."""
    if not {names.THEORETICAL_SPEEDUP, names.COMPRESSION_RATIO} <= set(table.columns):
        return False
    return bool((table[names.THEORETICAL_SPEEDUP] == table[names.COMPRESSION_RATIO]).all())


def _mode(values: pd.Series) -> str:
    return str(next(iter(values.mode()), ""))
