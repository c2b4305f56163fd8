"""What a file of a saved network holds, unpacked without torch: `prunelab.network.saved` writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from prunelab.errors import StoreError

VALUES, COLUMNS, ROWS = ".values", ".columns", ".rows"
"""The three parts of a weight as a matrix in compressed sparse row form, after its name."""
OUTPUTS, INPUTS = "outputs/", "inputs/"

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """`metadata` as they were written; `arrays` by their name in the state dict, all dense.

    `weights` are the names of the weights of linear layers and convolutions, in the order in which data passes them.
    """

    metadata: dict[str, str]
    arrays: dict[str, Array]
    weights: list[str]


@dataclass(frozen=True, slots=True)
class KeptChannels:
    """Of a layer of the dense network, the output and input channels that a compacted one holds: bool [out], [in]."""

    name: str
    outputs: NDArray[np.bool_]
    inputs: NDArray[np.bool_]


def unpack(content: bytes) -> Packed:
    """The file's content.

    Raises:
        StoreError: if the bytes are damaged or not a network of prunelab's.
    """
    try:
        metadata = _metadata(content)
        arrays = load_arrays(content)
        for name, shape in dict(json.loads(metadata["sparse"])).items():
            values, columns, rows = (arrays.pop(name + part) for part in (VALUES, COLUMNS, ROWS))
            arrays[name] = _matrix(values, columns, rows, prod(shape[1:])).reshape(shape)
        return Packed(metadata, arrays, list(json.loads(metadata["weights"])))
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StoreError(f"the saved network is damaged, or not one of prunelab's: {error}") from error


def unpack_kept(content: bytes) -> list[KeptChannels]:
    """Which channels of the dense network a compacted one holds, layer by layer.

    Raises:
        StoreError: if the bytes are damaged or written by an older version.
    """
    try:
        arrays, names = load_arrays(content), json.loads(_metadata(content)["layers"])
        return [KeptChannels(name, arrays[OUTPUTS + name], arrays[INPUTS + name]) for name in names]
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StoreError(f"the list of kept channels is damaged, or of an older version: {error}") from error


def _metadata(content: bytes) -> dict[str, str]:
    """A file begins with the length of a JSON header that holds the metadata."""
    header: Mapping[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(header["__metadata__"])


def _matrix(values: Array, columns: Array, rows: Array, inputs: int) -> Array:
    matrix = np.zeros((len(rows) - 1, inputs), values.dtype)
    matrix[np.repeat(np.arange(len(rows) - 1), np.diff(rows)), columns] = values
    return matrix
