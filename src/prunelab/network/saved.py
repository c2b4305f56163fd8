"""A network as one file that holds numbers and texts, and nothing that is executed when it is read: safetensors.

Dense, the tensors are the state dict. Sparse, a weight matrix is three tensors in compressed sparse row form:
`<name>.values`, `<name>.columns`, and `<name>.rows`, where each row begins among the values. The file's metadata say
which network it is and what goes in and comes out; `inputs` has the weight matrices in order, and their widths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from prunelab.config import Model
from prunelab.errors import ConfigError, StoreError
from prunelab.network.build import build
from prunelab.network.layers import linear_layers, set_parameters
from prunelab.network.packed import COLUMNS, ROWS, VALUES, unpack


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
            "model": json.dumps(self.model.model_dump(mode="json"), sort_keys=True),
            "shape": json.dumps(self.shape),
            "classes": json.dumps(self.classes),
            "input": "float32 [n, rows x columns] in [0, 1]",
            "output": "logits [n, classes]",
        }


def dense_bytes(network: nn.Module, card: Card) -> bytes:
    """The network's state dict."""
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    return _ordered(save_tensors(tensors, _metadata(network, card)))


def sparse_bytes(network: nn.Module, card: Card) -> bytes:
    """The network without the zeros of its weight matrices: 6 bytes a weight where a layer has below 32,768 inputs."""
    matrices = _inputs(network)
    tensors: dict[str, Tensor] = {}
    for name, on_device in network.state_dict().items():
        value = on_device.cpu()
        if name not in matrices:
            tensors[name] = value.contiguous()
            continue
        mask = value != 0
        rows = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.sum(1).cumsum(0)])
        tensors[name + VALUES] = value[mask]
        tensors[name + COLUMNS] = mask.nonzero()[:, 1].to(torch.int16 if value.shape[1] < 2**15 else torch.int32)
        tensors[name + ROWS] = rows.to(torch.int32)
    return _ordered(save_tensors(tensors, _metadata(network, card)))


def kept_bytes(kept: Sequence[Tensor]) -> bytes:
    """Which neurons (bool [out] per hidden layer) of the dense network a compacted one holds."""
    return _ordered(save_tensors({f"layer_{number}": neurons for number, neurons in enumerate(kept, start=1)}))


@torch.no_grad()
def read_network(content: bytes) -> tuple[nn.Module, Card]:
    """The network that a file of either form holds, in evaluation mode, and what it is.

    Raises:
        StoreError: if the bytes are damaged or not of a network of prunelab's.
    """
    packed = unpack(content)
    try:
        rows, columns = json.loads(packed.metadata["shape"])
        model = Model.model_validate_json(packed.metadata["model"])
        card = Card(model, (rows, columns), tuple(json.loads(packed.metadata["classes"])))
        network = build(card.model, rows * columns, len(card.classes), seed=0)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in packed.arrays.items()}
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Linear):
                set_parameters(layer, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))
        network.load_state_dict(tensors)
        linear_layers(network)
    except (KeyError, RuntimeError, ValueError, ValidationError, ConfigError) as error:
        raise StoreError(f"the saved network is damaged, or not one of prunelab's: {error}") from error
    return network.eval(), card


def _ordered(content: bytes) -> bytes:
    """The file with the keys of its header in order: safetensors writes them in another order each time."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return content[:8] + header.encode().ljust(length) + content[8 + length :]


def _metadata(network: nn.Module, card: Card) -> dict[str, str]:
    return {**card.metadata, "inputs": json.dumps(list(_inputs(network).items()))}


def _inputs(network: nn.Module) -> dict[str, int]:
    """The weight matrices in the order in which data passes them, and how many inputs each has."""
    return {
        f"{name}.weight": layer.in_features for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    }
