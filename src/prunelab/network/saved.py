"""A network as one file that holds numbers and texts, and nothing that is executed when it is read: safetensors.

Dense, the tensors are the state dict. Sparse, a weight matrix is three tensors in compressed sparse row form:
`<name>.values`, `<name>.columns`, and `<name>.rows`, where each row begins among the values. The file's metadata say
which network it is and what goes in and comes out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from prunelab.config import Model
from prunelab.errors import ConfigError, StoreError
from prunelab.network.build import build
from prunelab.network.layers import linear_layers, set_parameters

VALUES, COLUMNS, ROWS = ".values", ".columns", ".rows"


@dataclass(frozen=True, slots=True)
class Card:
    """What a saved network is: its architecture, the (rows, columns) of its images, the names of its classes.

    The network takes images as float32 [n, rows x columns] in [0, 1] and gives logits [n, classes].
    """

    model: Model
    shape: tuple[int, int]
    classes: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """As a file carries it."""
        return {
            "format": "pt",
            "model": self.model.model_dump_json(),
            "shape": json.dumps(self.shape),
            "classes": json.dumps(self.classes),
            "input": "float32 [n, rows x columns] in [0, 1]",
            "output": "logits [n, classes]",
        }


def dense_bytes(network: nn.Module, card: Card) -> bytes:
    """The network's state dict."""
    return save_tensors({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, card.metadata)


def sparse_bytes(network: nn.Module, card: Card) -> bytes:
    """The network without the zeros of its weight matrices: 6 bytes a weight where a layer has below 32,768 inputs."""
    tensors: dict[str, Tensor] = {}
    for name, on_device in network.state_dict().items():
        value = on_device.cpu()
        if value.ndim != 2:
            tensors[name] = value.contiguous()
            continue
        mask = value != 0
        rows = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.sum(1).cumsum(0)])
        tensors[name + VALUES] = value[mask]
        tensors[name + COLUMNS] = mask.nonzero()[:, 1].to(torch.int16 if value.shape[1] < 2**15 else torch.int32)
        tensors[name + ROWS] = rows.to(torch.int32)
    return save_tensors(tensors, card.metadata)


def kept_bytes(kept: Sequence[Tensor]) -> bytes:
    """Which neurons (bool [out] per hidden layer) of the dense network a compacted one holds."""
    return save_tensors({f"layer_{number}": neurons for number, neurons in enumerate(kept, start=1)})


def read_kept(content: bytes) -> list[Tensor]:
    """What `kept_bytes` wrote."""
    tensors = load_tensors(content)
    return [tensors[f"layer_{number}"] for number in range(1, len(tensors) + 1)]


@torch.no_grad()
def read_network(content: bytes) -> tuple[nn.Module, Card]:
    """The network that a file of either form holds, in evaluation mode, and what it is.

    Raises:
        StoreError: if the bytes are damaged or not of a network of prunelab's.
    """
    try:
        card = _card(content)
        tensors = load_tensors(content)
        inputs = card.shape[0] * card.shape[1]
        network = build(card.model, inputs, len(card.classes), seed=0)
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Linear):
                weight = _matrix(tensors, f"{name}.weight", inputs)
                set_parameters(layer, weight, tensors.pop(f"{name}.bias", None))
                inputs = layer.out_features
        network.load_state_dict(network.state_dict() | tensors)
        linear_layers(network)
    except (SafetensorError, KeyError, IndexError, RuntimeError, ValueError, ValidationError, ConfigError) as error:
        raise StoreError(f"the saved network is damaged, or not one of prunelab's: {error}") from error
    return network.eval(), card


def _card(content: bytes) -> Card:
    """The metadata: a safetensors file begins with the length of a JSON header that holds them."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    rows, columns = json.loads(header["shape"])
    return Card(Model.model_validate_json(header["model"]), (rows, columns), tuple(json.loads(header["classes"])))


def _matrix(tensors: dict[str, Tensor], name: str, inputs: int) -> Tensor:
    """Take a weight matrix [out, inputs] out of `tensors`, in whichever form it is there."""
    if name in tensors:
        return tensors.pop(name)
    values, columns, rows = (tensors.pop(name + part) for part in (VALUES, COLUMNS, ROWS))
    matrix = values.new_zeros(len(rows) - 1, inputs)
    owners = torch.repeat_interleave(torch.arange(len(rows) - 1), rows.long().diff())
    matrix[owners, columns.long()] = values
    return matrix
