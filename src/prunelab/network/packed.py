"""What a file of a saved network holds, unpacked without torch: `prunelab.network.saved` writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from prunelab.errors import StoreError

VALUES, COLUMNS, ROWS = ".values", ".columns", ".rows"
"""The three parts of a weight matrix in compressed sparse row form, after its name."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """`metadata` as they were written; `arrays` by their name in the state dict, matrices dense.

    `matrices` are the names of the weight matrices in the order in which data passes them.
    """

    metadata: dict[str, str]
    arrays: dict[str, Array]
    matrices: list[str]


def unpack(content: bytes) -> Packed:
    """The file's content.

    Raises:
        StoreError: if the bytes are damaged or not a network of prunelab's.
    """
    try:
        # The file begins with the length of a JSON header that holds the metadata.
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        arrays, inputs = load_arrays(content), dict(json.loads(metadata["inputs"]))
        for name in inputs:
            if name not in arrays:
                values, columns, rows = (arrays.pop(name + part) for part in (VALUES, COLUMNS, ROWS))
                arrays[name] = _matrix(values, columns, rows, inputs[name])
        return Packed(metadata, arrays, list(inputs))
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StoreError(f"the saved network is damaged, or not one of prunelab's: {error}") from error


def unpack_kept(content: bytes) -> list[NDArray[np.bool_]]:
    """Per hidden layer, which neurons ([out]) of the dense network a compacted one holds."""
    arrays = load_arrays(content)
    return [arrays[f"layer_{number}"] for number in range(1, len(arrays) + 1)]


def _matrix(values: Array, columns: Array, rows: Array, inputs: int) -> Array:
    matrix = np.zeros((len(rows) - 1, inputs), values.dtype)
    matrix[np.repeat(np.arange(len(rows) - 1), np.diff(rows)), columns] = values
    return matrix
