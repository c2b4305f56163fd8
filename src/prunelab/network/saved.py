"""Save and load a network as a safetensors file, which holds only numbers and text and executes nothing when read.

In the dense form the tensors are the state dict. In the sparse form a weight is stored as the matrix [out, in x kernel]
in compressed sparse row format, as three tensors: `<name>.values`, `<name>.columns`, and `<name>.rows` (the start of
each row among the values). The metadata describe inputs and outputs, and name the class with its arguments. To load a
network, the class is instantiated and given the tensors in the sizes they have. (An exported program would not need
the class, but it is tied to one version of torch and cannot be trained or inspected.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic import ValidationError
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from prunelab.config import Model
from prunelab.data.dataset import Normalisation
from prunelab.errors import ConfigError, StoreError
from prunelab.graph.graph import Graph, by_number
from prunelab.graph.surgery import resize, tensors
from prunelab.network.build import build
from prunelab.network.packed import COLUMNS, INPUTS, OUTPUTS, ROWS, VALUES, unpack
from prunelab.network.trusted import refuse_foreign


@dataclass(frozen=True, slots=True)
class Card:
    """The description of a saved network: how to build it, and its inputs and outputs.

    It takes images as float32 [n, channels, rows, columns], scaled to [0, 1] and then normalised, and returns logits
    [n, classes]. `shape`: (channels, rows, columns). `classes`: their names. `weights`: the names of its layers'
    weights in execution order.
    """

    model: Model
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    normalisation: Normalisation | None
    weights: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """The card as metadata of a file."""
        scale = self.normalisation
        return {
            "format": "pt",
            "model": json.dumps(self.model.model_dump(mode="json", exclude={"checkpoint"}), sort_keys=True),
            "shape": json.dumps(self.shape),
            "classes": json.dumps(self.classes),
            "normalisation": json.dumps(None if scale is None else {"mean": scale.mean, "std": scale.std}),
            "weights": json.dumps(self.weights),
            "input": "float32 [n, channels, rows, columns]: values in [0, 1], then (value - mean) / std per channel",
            "output": "logits [n, classes]",
        }


def dense_bytes(network: nn.Module, card: Card) -> bytes:
    """The file of a network in dense form."""
    values = {name: value.cpu().contiguous() for name, value in _state(network).items()}
    return _ordered(save_tensors(values, {**card.metadata, "sparse": "{}"}))


def sparse_bytes(network: nn.Module, card: Card) -> bytes:
    """The file of a network in sparse form: 6 bytes per weight in layers with fewer than 32,768 inputs, else 8."""
    values: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, on_device in _state(network).items():
        value = on_device.cpu()
        if name not in card.weights or value.numel() == 0:
            values[name] = value.contiguous()
            continue
        shapes[name] = list(value.shape)
        matrix = value.flatten(1)
        mask = matrix != 0
        rows = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.sum(1).cumsum(0)])
        values[name + VALUES] = matrix[mask]
        values[name + COLUMNS] = mask.nonzero()[:, 1].to(torch.int16 if matrix.shape[1] < 2**15 else torch.int32)
        values[name + ROWS] = rows.to(torch.int32)
    return _ordered(save_tensors(values, {**card.metadata, "sparse": json.dumps(shapes)}))


def kept_bytes(graph: Graph, kept: Tensor) -> bytes:
    """The file of the channels that a compacted network kept, given its units `kept` (bool [units])."""
    stays = by_number(kept.cpu())
    values = {}
    for layer in graph.layers:
        values[OUTPUTS + layer.name] = stays[graph.outputs_of(layer)]
        values[INPUTS + layer.name] = stays[graph.inputs_of(layer)]
    names = [layer.name for layer in graph.layers]
    return _ordered(save_tensors(values, {"format": "pt", "layers": json.dumps(names)}))


def read_network(content: bytes, trust: bool = False) -> tuple[nn.Module, Card]:
    """Load a network from a file of either form, in evaluation mode, with its card.

    `trust`: import its class from anywhere; otherwise only prunelab's and torchvision's networks are accepted.

    Raises:
        StoreError: if the bytes are damaged, not saved by prunelab, or of a class that is not trusted.
    """
    packed = unpack(content)
    try:
        card = card_of(packed.metadata)
        if not trust:
            refuse_foreign(card.model)
        network = build(card.model, card.shape, len(card.classes), seed=0)
        put_in(network, {name: torch.from_numpy(array.copy()) for name, array in packed.arrays.items()})
        _check_runs(network, card)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, ValidationError, ConfigError) as error:
        raise StoreError(f"the saved network is damaged, or not one of prunelab's: {error}") from error
    return network.eval(), card


@torch.no_grad()
def _check_runs(network: nn.Module, card: Card) -> None:
    """Run the network once: tensors whose sizes do not match only show when it is used."""
    logits = network.eval()(torch.zeros(1, *card.shape))
    if logits.shape != (1, len(card.classes)):
        raise ValueError(f"it gives {list(logits.shape)} for one image, and the file names {len(card.classes)} classes")


def card_of(metadata: Mapping[str, str]) -> Card:
    """The card in the metadata of a file.

    Raises:
        KeyError, TypeError, ValueError: if the metadata are not those of a network saved by prunelab.
    """
    channels, rows, columns = json.loads(metadata["shape"])
    scale = json.loads(metadata["normalisation"])
    return Card(
        model=Model.model_validate_json(metadata["model"]),
        shape=(int(channels), int(rows), int(columns)),
        classes=tuple(json.loads(metadata["classes"])),
        normalisation=None if scale is None else Normalisation(tuple(scale["mean"]), tuple(scale["std"])),
        weights=tuple(json.loads(metadata["weights"])),
    )


@torch.no_grad()
def put_in(network: nn.Module, values: dict[str, Tensor]) -> None:
    """Give a network the tensors of a smaller one of the same class, including biases that only the smaller one has.

    Raises:
        ValueError: if the tensors do not belong to such a network.
    """
    own = dict(tensors(network))
    for name in values.keys() - network.state_dict().keys():
        path, _, attribute = name.rpartition(".")
        layer = network.get_submodule(path)
        if attribute != "bias" or not hasattr(layer, "bias"):
            raise ValueError(f"it has a tensor {name} that its class has no place for")
        layer.bias = nn.Parameter(values[name])
    missing = [name for name in own if name in network.state_dict() and name not in values]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing[:3])}")
    if any(values[name].dim() != value.dim() for name, value in own.items() if name in values):
        raise ValueError("its tensors have other dimensions than those of its class")
    resize(network, {name: values[name] for name in own if name in values})


def _state(network: nn.Module) -> dict[str, Tensor]:
    """The state dict, with each shared tensor once."""
    stored = network.state_dict()
    return {name: value for name, value in tensors(network) if name in stored}


def with_metadata(content: bytes, texts: Mapping[str, str]) -> bytes:
    """The file with `texts` added to its metadata, and the keys of its header sorted."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= texts
    written = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    written = written.ljust(-(-len(written) // 8) * 8)  # the tensors begin at a multiple of 8 bytes
    return len(written).to_bytes(8, "little") + written + content[8 + length :]


def _ordered(content: bytes) -> bytes:
    """The file with the keys of its header sorted; safetensors writes them in a different order each time."""
    return with_metadata(content, {})
