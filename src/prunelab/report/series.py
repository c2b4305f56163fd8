"""What a line in a figure is called, what its percentage counts, and which unpruned network belongs to it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from prunelab import names

TRAINING = ("data", "model", "epochs", "batch_size", "learning_rate", "precision")
"""Parameters that decide the unpruned network."""
OF_METHOD = ("granularity", "score", "scope")
"""Parameters that go with the method's name, and are said only where one method was tried with several."""
PERCENTAGE_OF = "percentage_of"
SELF_EVIDENT = ("data", "model", names.SWEEP_COLUMN)
"""Columns whose values need no word before them."""
IN_A_LABEL = ("percentage", "seed", "method", "recovery", "data", "model")
"""Overrides that a label holds already, or that make no series."""
COUNTED = {"parameters": "parameters", "multiply_adds": "multiply-adds"}
UNITS = {"weight": "weights", "neuron": "neurons", "n_m": "weights", "block": "blocks of weights"}
"""What `percentage_of=units` counts, by granularity."""
ACCURACIES = [names.BASELINE_ACCURACY, names.BASELINE_LOSS]


def with_series(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `series`: the method, the recovery, and whatever else the sweep varies.

    Of several sweeps, those series that more than one of them has are told apart by the sweep.
    """
    rows = rows.assign(**{PERCENTAGE_OF: percentage_of(rows)})
    others = varied(rows, (*TRAINING, PERCENTAGE_OF))

    def label(row: pd.Series) -> str:
        recovery = "" if row["recovery"] == "none" else f" + {row['recovery']}"
        return str(row["method"]) + recovery + "".join(_word(column, row[column]) for column in others)

    labelled = rows.assign(series=rows.apply(label, axis=1))
    for column in OF_METHOD:
        if column in labelled:
            several = labelled.groupby("series")[column].transform("nunique") > 1
            labelled.loc[several, "series"] += ", " + labelled.loc[several, column].astype(str)
    labelled = _told_by_overrides(labelled)
    if names.SWEEP_COLUMN in rows:
        clashes = labelled.groupby("series")[names.SWEEP_COLUMN].transform("nunique") > 1
        labelled.loc[clashes, "series"] += ", " + labelled.loc[clashes, names.SWEEP_COLUMN]
    return labelled


def varied(rows: pd.DataFrame, columns: Iterable[str] = TRAINING) -> list[str]:
    """Those of the columns that do not have one value throughout."""
    return [column for column in columns if column in rows and rows[column].nunique() > 1]


def percentage_of(rows: pd.DataFrame) -> pd.Series:
    """What each row's percentage counts; older stores do not say, there it is the method's units."""
    units = pd.Series("units", rows.index)
    return rows[PERCENTAGE_OF].fillna("units") if PERCENTAGE_OF in rows else units


def counted(rows: pd.DataFrame) -> list[str]:
    """What the percentages of these rows count: `weights`, `neurons`, `parameters`, `multiply-adds`."""
    granularity = rows["granularity"] if "granularity" in rows else pd.Series("", rows.index)
    pairs = zip(percentage_of(rows), granularity, strict=True)
    return list(dict.fromkeys(COUNTED.get(of) or UNITS.get(kind, "the method's units") for of, kind in pairs))


def removed(rows: pd.DataFrame) -> str:
    """The label of an axis of percentages: `removed (% of weights or neurons)`."""
    what = [each.removeprefix("the ") for each in counted(rows)]
    if what == ["method's units"]:
        return "removed (% of the method's units)"
    return f"removed (% of {' or '.join(filter(None, (', '.join(what[:-1]), what[-1])))})"


def place(rows: pd.DataFrame) -> str:
    """Which networks on which data: `vgg_small, resnet8 on cifar10`."""
    networks, data = (", ".join(dict.fromkeys(rows[column].astype(str))) for column in ("model", "data"))
    return f"{networks} on {data}"


def unpruned(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean accuracy and loss of the unpruned network; of each where there are several, by what tells them apart."""
    overrides = _overrides(rows)
    every = pd.concat([rows, overrides[[key for key in overrides if key not in rows]]], axis=1)
    every = every.assign(**{column: every[column].round(12) for column in ACCURACIES})
    columns = [column for column in (names.SWEEP_COLUMN, *TRAINING, *overrides) if column in every]
    columns = varied(every, columns)
    for column in reversed(columns):
        rest = [other for other in columns if other != column]
        if not _differ(every, column, rest):
            columns = rest
    if not columns:
        return {"unpruned": {metric: float(rows[metric].mean()) for metric in ACCURACIES}}
    found = {}
    for key, part in every.groupby(columns, sort=False, dropna=False):
        words = zip(columns, key if isinstance(key, tuple) else (key,), strict=True)
        found["unpruned" + "".join(_word(*word) for word in words)] = {m: float(part[m].mean()) for m in ACCURACIES}
    return found


def _differ(rows: pd.DataFrame, column: str, rest: list[str]) -> bool:
    """Whether unpruned networks that are alike in the rest, with the same seed, differ with this column.

    Those of several sweeps differ also if their seeds do.
    """
    if column == names.SWEEP_COLUMN:
        means = rows.groupby([*rest, column], dropna=False)[ACCURACIES].mean().round(12).reset_index()
        return bool((means.groupby(rest)[ACCURACIES] if rest else means[ACCURACIES]).nunique().gt(1).to_numpy().any())
    return bool(rows.groupby([*rest, "seed"], dropna=False)[ACCURACIES].nunique().gt(1).to_numpy().any())


def _told_by_overrides(labelled: pd.DataFrame) -> pd.DataFrame:
    """Series with several jobs of one percentage and seed, told apart by the overrides in which these differ."""
    same = [c for c in (names.SWEEP_COLUMN, "series", names.PERCENTAGE, "seed") if c in labelled]
    doubled = labelled.loc[labelled.duplicated(same, keep=False), "series"].unique()
    for series in doubled:
        rows = labelled[labelled["series"] == series]
        overrides = _overrides(rows)
        for key in varied(overrides, map(str, overrides)):
            labelled.loc[rows.index, "series"] += overrides[key].map(lambda value, key=key: _word(key, value))
    return labelled


def _overrides(rows: pd.DataFrame) -> pd.DataFrame:
    """The overrides of each row that labels do not hold, a column for each key; empty where a row has none."""
    if names.OVERRIDES not in rows:
        return pd.DataFrame(index=rows.index)
    texts = rows[names.OVERRIDES].fillna("")
    every = [dict(word.split("=", 1) for word in str(text).split() if "=" in word) for text in texts]
    keys = dict.fromkeys(key for each in every for key in each if key not in IN_A_LABEL)
    return pd.DataFrame([{key: each.get(key, "") for key in keys} for each in every], index=rows.index)


def _word(column: str, value: object) -> str:
    """How a value stands in a label."""
    if column in SELF_EVIDENT:
        return f", {value}"
    if column == PERCENTAGE_OF:
        return f", % of {COUNTED.get(str(value), value)}"
    return f", {column}={value}" if "." in column else f", {column} {value}"
