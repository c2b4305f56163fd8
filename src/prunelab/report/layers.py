"""What remains in each layer of each series, under the names of the layers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunelab import names

MOST_LINES = 8
"""So many layers can be told apart as lines; more are drawn as a heat map."""
WIDE = 24
"""Characters; of a longer list of layers a cell of a table names the first and counts the others."""


@dataclass(frozen=True, slots=True)
class Survival:
    """A series: the names of its layers, their units, and the `shares` [layers, percentages] that stay, in percent."""

    series: str
    layers: tuple[str, ...]
    units: tuple[float, ...]
    percentages: tuple[float, ...]
    shares: NDArray[np.float64]

    @property
    def many(self) -> bool:
        """Whether there are too many layers for lines."""
        return len(self.layers) > MOST_LINES

    @property
    def says(self) -> str:
        """What a reader who cannot see its chart is told."""
        return (
            f"{self.series}: the share of the units of each of {len(self.layers)} layers that remains, against the "
            "percentage removed overall."
        )


def survivals(table: pd.DataFrame, layers: dict[str, tuple[str, ...]], series: Sequence[str]) -> list[Survival]:
    """For each series whose layers were counted; `table` is over seeds, `layers` are the names of each series."""
    found = []
    for name in series:
        part = table[table["series"] == name]
        columns = numbered(names.UNITS, len(layers[name]))
        if not columns or not set(columns) <= set(part.columns):
            continue
        units = part[columns].to_numpy(np.float64)
        left = part[numbered(names.REMAINING, len(columns))].to_numpy(np.float64)
        found.append(
            Survival(name, layers[name], tuple(units[0]), tuple(part[names.PERCENTAGE]), 100 * (left / units).T)
        )
    return found


def layer_names(labelled: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The names of the layers of each series; numbers where the store has no names, or not as many as layers."""
    columns = counted_layers(labelled)
    found = {}
    for series, part in labelled.groupby("series", sort=False):
        first = part.iloc[0]
        count = int(first[columns].notna().sum())
        known = _read(first.get(names.LAYERS))
        found[str(series)] = known if len(known) == count else tuple(f"layer {n}" for n in range(1, count + 1))
    return found


def counted_layers(rows: pd.DataFrame) -> list[str]:
    """The metrics that count what remains in a layer, in order."""
    columns = [column for column in rows.columns if column.startswith(names.REMAINING)]
    return sorted(columns, key=lambda column: int(column.rpartition("_")[2]))


def emptied(labelled: pd.DataFrame) -> pd.Series:
    """For each series and percentage, the layers that some seed left empty, as a text: `conv1, conv2`."""
    columns, known = counted_layers(labelled), layer_names(labelled)
    least = labelled.groupby(["series", names.PERCENTAGE], sort=False)[columns].min() if columns else None
    keys = labelled.groupby(["series", names.PERCENTAGE], sort=False).size().index
    if least is None:
        return pd.Series("", keys)
    texts = [
        ", ".join(layer for layer, left in zip(known[str(series)], row, strict=False) if left == 0)
        for (series, _), row in zip(least.index, least.to_numpy(), strict=True)
    ]
    return pd.Series(texts, least.index)


def few(layers: str) -> str:
    """A list of emptied layers, short enough for a cell of a table: `conv1, conv2`, but `conv1 + 9 more`."""
    every = layers.split(", ")
    if len(layers) <= WIDE:
        return layers
    return shortened(every[0], WIDE) + (f" + {len(every) - 1} more" if len(every) > 1 else "")


def shortened(name: str, most: int) -> str:
    """A long name with as many of its first words as it takes reduced to a letter and their number: `f.d3.conv2`."""
    words = name.split(".")
    for position in range(len(words) - 1):
        if len(".".join(words)) <= most:
            break
        word = words[position]
        words[position] = word[:1] + word[len(word[1:].rstrip("0123456789")) + 1 :]
    short = ".".join(words)
    return short if len(short) <= most else "…" + short[1 - most :]


def numbered(prefix: str, count: int) -> list[str]:
    """The metrics of so many layers."""
    return [names.layer(prefix, number) for number in range(1, count + 1)]


def _read(text: object) -> tuple[str, ...]:
    """The names in a tag; none if it is missing or damaged."""
    try:
        every = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return ()
    return tuple(map(str, every)) if isinstance(every, list) else ()
