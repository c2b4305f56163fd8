"""Labels: what a series is called, what its percentages count, and which unpruned networks there are."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from prunelab import names

OF_TRAINING = ("epochs", "batch_size", "learning_rate", "precision")
"""Parameters that the network's name implies where each network was trained in one way; labels then leave them out."""
TRAINING = ("data", "model", *OF_TRAINING)
"""Parameters that determine the unpruned network."""
OF_METHOD = ("granularity", "score", "scope")
"""Parameters that a method's name implies; labels have them only if a method was tried with several values."""
PERCENTAGE_OF = "percentage_of"
SELF_EVIDENT = ("data", "model", names.SWEEP_COLUMN)
"""Columns whose values stand in a label without the column's name."""
IN_A_LABEL = ("percentage", "seed", "method", "recovery", "data", "model")
"""Overrides that labels already contain, or that make no series."""
COUNTED = {"parameters": "parameters", "multiply_adds": "multiply-adds"}
UNITS = {"weight": "weights", "neuron": "neurons", "n_m": "weights", "block": "blocks of weights"}
"""What `percentage_of=units` counts, by granularity."""
ACCURACIES = [names.BASELINE_ACCURACY, names.BASELINE_LOSS]


def with_series(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `series`: method, recovery, and whatever else the sweep varies.

    If several sweeps have the same series, its label ends with the name of the sweep.
    """
    rows = rows.assign(**{PERCENTAGE_OF: percentage_of(rows)})
    others = varied(rows, (*TRAINING, PERCENTAGE_OF))
    if "model" in others:
        implied = [c for c in OF_TRAINING if c in others and rows.groupby("model")[c].nunique().max() == 1]
        others = [column for column in others if column not in implied]

    def label(method: object, recovery: object, *values: object) -> str:
        words = "".join(_word(column, value) for column, value in zip(others, values, strict=True))
        return f"{method}{'' if recovery == 'none' else f' + {recovery}'}{words}"

    labelled = rows.assign(series=list(map(label, *(rows[column] for column in ("method", "recovery", *others)))))
    for column in OF_METHOD:
        if column in labelled:
            several = labelled.groupby("series")[column].transform("nunique") > 1
            labelled.loc[several, "series"] += ", " + labelled.loc[several, column].astype(str)
    labelled = _with_overrides(labelled)
    if names.SWEEP_COLUMN in rows:
        clashes = labelled.groupby("series")[names.SWEEP_COLUMN].transform("nunique") > 1
        labelled.loc[clashes, "series"] += ", " + labelled.loc[clashes, names.SWEEP_COLUMN]
    return labelled


def varied(rows: pd.DataFrame, columns: Iterable[str] = TRAINING) -> list[str]:
    """Those of the columns with more than one value."""
    return [column for column in columns if column in rows and rows[column].nunique() > 1]


def percentage_of(rows: pd.DataFrame) -> pd.Series:
    """What each row's percentage counts; older stores do not record it and mean the method's units."""
    units = pd.Series("units", rows.index)
    return rows[PERCENTAGE_OF].fillna("units") if PERCENTAGE_OF in rows else units


def removed(rows: pd.DataFrame) -> str:
    """The label of an axis of percentages: `removed (% of weights or neurons)`."""
    granularity = rows["granularity"] if "granularity" in rows else pd.Series("", rows.index)
    pairs = dict.fromkeys(zip(percentage_of(rows), granularity, strict=True))
    counted = list(dict.fromkeys(COUNTED.get(of) or UNITS.get(kind, "method's units") for of, kind in pairs))
    if counted == ["method's units"]:
        return "removed (% of the method's units)"
    return f"removed (% of {' or '.join(filter(None, (', '.join(counted[:-1]), counted[-1])))})"


def place(rows: pd.DataFrame) -> str:
    """Which networks on which data: `vgg_small, resnet8 on cifar10`."""
    networks, data = (", ".join(dict.fromkeys(rows[column].astype(str))) for column in ("model", "data"))
    return f"{networks} on {data}"


def unpruned(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean test accuracy and loss of each unpruned network, labelled by what distinguishes it from the others."""
    overrides = _overrides(rows)
    every = pd.concat([rows, overrides[[key for key in overrides if key not in rows]]], axis=1)
    every = every.assign(**{column: every[column].round(12) for column in ACCURACIES})
    columns = [column for column in (names.SWEEP_COLUMN, *TRAINING, *overrides) if column in every]
    columns = varied(every, columns)
    for column in reversed(columns):
        rest = [other for other in columns if other != column]
        if not _distinguishes(every, column, rest):
            columns = rest
    if not columns:
        return {"unpruned": {metric: float(rows[metric].mean()) for metric in ACCURACIES}}
    found = {}
    for key, part in every.groupby(columns, sort=False, dropna=False):
        words = zip(columns, key if isinstance(key, tuple) else (key,), strict=True)
        found["unpruned" + "".join(_word(*word) for word in words)] = {m: float(part[m].mean()) for m in ACCURACIES}
    return found


def _distinguishes(rows: pd.DataFrame, column: str, rest: list[str]) -> bool:
    """Whether unpruned networks that agree in the rest and in the seed differ between values of the column.

    Sweeps may have different seeds, so for the column of sweeps means over seeds are compared.
    """
    if column == names.SWEEP_COLUMN:
        means = rows.groupby([*rest, column], dropna=False)[ACCURACIES].mean().round(12).reset_index()
        return bool((means.groupby(rest)[ACCURACIES] if rest else means[ACCURACIES]).nunique().gt(1).to_numpy().any())
    return bool(rows.groupby([*rest, "seed"], dropna=False)[ACCURACIES].nunique().gt(1).to_numpy().any())


def _with_overrides(labelled: pd.DataFrame) -> pd.DataFrame:
    """Series with several jobs of one percentage and seed are split by the overrides in which these differ."""
    same = [c for c in (names.SWEEP_COLUMN, "series", names.PERCENTAGE, "seed") if c in labelled]
    doubled = set(labelled.loc[labelled.duplicated(same, keep=False), "series"])
    for index in [part.index for series, part in labelled.groupby("series", sort=False) if series in doubled]:
        overrides = _overrides(labelled.loc[index])
        for key in varied(overrides, map(str, overrides)):
            labelled.loc[index, "series"] += overrides[key].map(lambda value, key=key: _word(key, value))
    return labelled


def _overrides(rows: pd.DataFrame) -> pd.DataFrame:
    """The overrides of each row that labels do not contain, a column for each key; empty where a row has none."""
    if names.OVERRIDES not in rows:
        return pd.DataFrame(index=rows.index)
    texts = rows[names.OVERRIDES].fillna("")
    every = [dict(word.split("=", 1) for word in str(text).split() if "=" in word) for text in texts]
    keys = dict.fromkeys(key for each in every for key in each if key not in IN_A_LABEL)
    return pd.DataFrame([{key: each.get(key, "") for key in keys} for each in every], index=rows.index)


def _word(column: str, value: object) -> str:
    """A value as labels write it."""
    if column in SELF_EVIDENT:
        return f", {value}"
    if column == PERCENTAGE_OF:
        return f", % of {COUNTED.get(str(value), value)}"
    return f", {column}={value}" if "." in column else f", {column} {value}"
