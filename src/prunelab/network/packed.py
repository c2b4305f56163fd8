"""Read the file of a saved network without torch. `prunelab.network.saved` writes it."""

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
"""Suffixes of the three tensors of a weight in compressed sparse row format."""
OUTPUTS, INPUTS = "outputs/", "inputs/"
"""Prefixes of the kept channels of a layer."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """The content of a file.

    `metadata`: as written. `arrays`: by their name in the state dict, all dense. `weights`: the names of the weights of
    linear layers and convolutions, in execution order.
    """

    metadata: dict[str, str]
    arrays: dict[str, Array]
    weights: list[str]


@dataclass(frozen=True, slots=True)
class KeptChannels:
    """The output and input channels of a layer of the dense network that the compacted one kept: bool [out], [in]."""

    name: str
    outputs: NDArray[np.bool_]
    inputs: NDArray[np.bool_]


def unpack(content: bytes) -> Packed:
    """Read the bytes of a saved network.

    Raises:
        StoreError: if they are damaged or not a network saved by prunelab.
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
    """Which channels of the dense network the compacted one kept, layer by layer.

    Raises:
        StoreError: if the bytes are damaged or from an older version.
    """
    try:
        arrays, names = load_arrays(content), json.loads(_metadata(content)["layers"])
        return [KeptChannels(name, arrays[OUTPUTS + name], arrays[INPUTS + name]) for name in names]
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
        raise StoreError(f"the list of kept channels is damaged, or of an older version: {error}") from error


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata in the JSON header, which is preceded by its length."""
    header: Mapping[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(header["__metadata__"])


def _matrix(values: Array, columns: Array, rows: Array, inputs: int) -> Array:
    """The dense matrix [out, inputs] of one in compressed sparse row format."""
    matrix = np.zeros((len(rows) - 1, inputs), values.dtype)
    matrix[np.repeat(np.arange(len(rows) - 1), np.diff(rows)), columns] = values
    return matrix
