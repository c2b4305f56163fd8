"""The layers whose remaining units a sweep counts: their names, short forms of these, and which layers are emptied."""

from __future__ import annotations

import json

import pandas as pd

from prunelab import names

WIDE = 24
"""Characters of a table's cell; a longer list of layers is cut to its first name and a count."""


def layer_names(labelled: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The layers of each series; numbered if the store has no names for them, or another number of names."""
    columns = _remaining(labelled)
    found = {}
    for series, part in labelled.groupby("series", sort=False):
        first = part.iloc[0]
        count = int(first[columns].notna().sum())
        known = _read(first.get(names.LAYERS))
        found[str(series)] = known if len(known) == count else tuple(f"layer {n}" for n in range(1, count + 1))
    return found


def emptied(labelled: pd.DataFrame) -> pd.Series:
    """For each series and percentage, the layers that some seed left empty, as a text: `conv1, conv2`."""
    columns, known = _remaining(labelled), layer_names(labelled)
    grouped = labelled.groupby(["series", names.PERCENTAGE], sort=False)
    if not columns:
        return pd.Series("", grouped.size().index)
    least = grouped[columns].min()
    texts = [
        ", ".join(layer for layer, left in zip(known[str(series)], row, strict=False) if left == 0)
        for (series, _), row in zip(least.index, least.to_numpy(), strict=True)
    ]
    return pd.Series(texts, least.index)


def few(layers: str) -> str:
    """A list of emptied layers, short enough for a table's cell: `conv1, conv2`, but `conv1 + 9 more`."""
    if len(layers) <= WIDE:
        return layers
    first, *others = layers.split(", ")
    return shortened(first, WIDE) + (f" + {len(others)} more" if others else "")


def shortened(name: str, most: int) -> str:
    """A dotted name of at most `most` characters: leading words shrink to a letter and their number, `f.d3.conv2`."""
    words = name.split(".")
    for position in range(len(words) - 1):
        if len(".".join(words)) <= most:
            break
        word = words[position]
        words[position] = word[:1] + word[len(word[1:].rstrip("0123456789")) + 1 :]
    short = ".".join(words)
    return short if len(short) <= most else "…" + short[1 - most :]


def _remaining(rows: pd.DataFrame) -> list[str]:
    """The metrics that count a layer's remaining units, in the order of the layers."""
    columns = [column for column in rows.columns if column.startswith(names.REMAINING)]
    return sorted(columns, key=lambda column: int(column.rpartition("_")[2]))


def _read(text: object) -> tuple[str, ...]:
    """The names in a tag; empty if it is missing or damaged."""
    try:
        every = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return ()
    return tuple(map(str, every)) if isinstance(every, list) else ()
