"""The graph of a network: its layers, its removable units, and the parameters that belong to each unit.

A *unit* is a set of channels that can only be removed together: a neuron of a linear layer, an output channel of a
convolution, or several channels tied by a residual connection, a depthwise convolution or a shared weight. Units are
numbered from 1; 0 marks what cannot be removed. A *slot* is one dimension of one parameter or buffer, with the unit
that each index along it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from prunelab.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer or a convolution. Its weight is [out, in, ...], of a transposed convolution [in, out, ...].

    `name`: the path of its module.
    `weight`, `bias`: the names of its parameters.
    `kind`: `linear`, `conv`, `depthwise` or `transposed`.
    `positions`: output values per channel and image, summed over its uses. A transposed convolution counts its inputs.
    `uses`: how often a forward pass calls it.
    `output`: whether it is an output layer, one that no other layer reads.
    `outputs_dim`: the dimension of the weight along which its outputs are.
    """

    name: str
    weight: str
    bias: str | None
    kind: str
    positions: int
    uses: int
    output: bool
    groups: int = 1
    outputs_dim: int = 0

    @property
    def depthwise(self) -> bool:
        """Whether each output channel is computed from a single input channel."""
        return self.kind == "depthwise"

    @property
    def inputs_dim(self) -> int:
        """The dimension of the weight along which its inputs are."""
        return 1 - self.outputs_dim


@dataclass(frozen=True, slots=True)
class Norm:
    """A BatchNorm layer: the names of its parameters (None if it has none) and of its running statistics."""

    weight: str | None
    bias: str | None
    mean: str
    variance: str
    epsilon: float


@dataclass(frozen=True, slots=True)
class Preactivation:
    """The input of a ReLU, read by nothing else: a sum of layers' outputs, and of values that other layers read.

    `layers`: the names of the weights of the layers, each called once, in execution order.
    `norms`: the BatchNorm after each of them, or None.
    `added`: the names of the weights of layers whose inputs are added. They are called before the last of `layers`.
    """

    layers: tuple[str, ...]
    norms: tuple[Norm | None, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """One dimension of a parameter or buffer. `units`, int64 [size]: the unit of each index, 0 for those that stay."""

    tensor: str
    dim: int
    units: Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """The units that first appear in one layer, `name`: numbers `first` to `first + size - 1`.

    `layers`: every layer that has one of them among its outputs.
    """

    name: str
    first: int
    size: int
    layers: tuple[str, ...]

    @property
    def units(self) -> slice:
        """Its part of a tensor [units of the graph]."""
        return slice(self.first - 1, self.first - 1 + self.size)


@dataclass(frozen=True)
class Graph:
    """Layers in execution order, units in the order in which they first appear.

    `whole`: layers of which no output channel can be removed, with the reason.
    `shapes`: of each parameter and buffer. `parameters`: the names of those that are parameters.
    `mixed`: units combined with values that are not tied to them, such as a mask over positions.
    `other_multiply_adds`: MACs per image outside all layers: attention, and operators of which all channels stay.
    `image`: the shape of one image.
    `largest`: the size of the largest operator output for one image, in numbers; `stored`: of all of them together.
    `excluded`: the layers that method.exclude names.
    `never_empty`: groups that keep one unit, because the network does not run without any.
    `operators`: the ATen operators that the network uses.
    `preactivations`: sums of layers' outputs that go into a ReLU.
    """

    layers: tuple[Layer, ...]
    groups: tuple[Group, ...]
    slots: tuple[Slot, ...]
    whole: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    parameters: tuple[str, ...]
    mixed: frozenset[int] = frozenset()
    other_multiply_adds: int = 0
    image: tuple[int, ...] = ()
    largest: int = 1
    stored: int = 1
    excluded: frozenset[str] = frozenset()
    never_empty: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    preactivations: tuple[Preactivation, ...] = ()

    def __str__(self) -> str:
        """One line for each group of units, and one for each layer that stays whole."""
        lines = [f"{self.units} units in {len(self.groups)} groups; {len(self.layers)} layers"]
        for group in self.groups:
            others = [name for name in group.layers if name != group.name]
            lines.append(f"  {group.name}: {group.size} units" + (f", tied with {', '.join(others)}" if others else ""))
        return "\n".join([*lines, *(f"  {name} stays whole: {why}" for name, why in self.whole.items())])

    @property
    def units(self) -> int:
        """The number of units."""
        return sum(group.size for group in self.groups)

    @property
    def multiply_adds(self) -> int:
        """MACs per image of the whole network."""
        of_layers = (layer.positions * prod(self.shapes[layer.weight]) for layer in self.layers)
        return self.other_multiply_adds + sum(of_layers)

    @cached_property
    def by_tensor(self) -> dict[str, tuple[Slot, ...]]:
        """The slots of each parameter or buffer that has any."""
        found: dict[str, list[Slot]] = {}
        for slot in self.slots:
            found.setdefault(slot.tensor, []).append(slot)
        return {name: tuple(slots) for name, slots in found.items()}

    @cached_property
    def prunable(self) -> tuple[Layer, ...]:
        """The layers whose weights can be pruned: all but output layers and excluded ones."""
        return tuple(layer for layer in self.layers if not layer.output and layer.name not in self.excluded)

    def slot(self, tensor: str, dim: int) -> Tensor:
        """The unit of each index along a dimension of a parameter, int64 [size]; zeros if it has no slot."""
        for slot in self.by_tensor.get(tensor, ()):
            if slot.dim == dim:
                return slot.units
        return torch.zeros(self.shapes[tensor][dim], dtype=torch.int64)

    def inputs_of(self, layer: Layer) -> Tensor:
        """The unit of each input along the layer's weight, int64 [in]; [in / groups] for a grouped convolution."""
        return self.slot(layer.weight, layer.inputs_dim)

    def input_channels_of(self, layer: Layer) -> Tensor:
        """The unit of each input channel, int64 [in], of grouped convolutions too."""
        return self.inputs_of(layer).repeat(layer.groups)

    def outputs_of(self, layer: Layer) -> Tensor:
        """The unit of each output, int64 [out]."""
        return self.slot(layer.weight, layer.outputs_dim)

    def sum_per_unit(self, values: Tensor, units: Tensor) -> Tensor:
        """Sum `values` [..., size] over the indices of each unit (`units`, int64 [size]): [..., units of the graph]."""
        sums = values.new_zeros(*values.shape[:-1], self.units + 1)
        return sums.index_add_(-1, units.to(values.device), values)[..., 1:]

    def excluding(self, patterns: Iterable[str]) -> Graph:
        """The graph in which the layers matching the patterns (`stage1.*`) stay whole.

        Raises:
            ConfigError: for a pattern that matches no layer.
        """
        names = [layer.name for layer in self.layers]
        chosen: set[str] = set()
        for pattern in patterns:
            found = {name for name in names if fnmatchcase(name, pattern)}
            if not found:
                raise ConfigError(
                    f"method.exclude={pattern} is refused: no layer has that name; the layers are {', '.join(names)}"
                )
            chosen |= found
        if not chosen:
            return self
        groups = [group for group in self.groups if chosen.intersection(group.layers)]
        kept = self.keeping(groups, "tied to a layer that method.exclude names")
        whole = {**kept.whole, **dict.fromkeys(sorted(chosen), "excluded by method.exclude")}
        return replace(kept, excluded=frozenset(chosen), whole=whole)

    def keeping(self, groups: Iterable[Group], reason: str) -> Graph:
        """The graph in which these groups stay whole; the remaining units are renumbered."""
        whole = {group.name for group in groups}
        numbers = torch.zeros(self.units + 1, dtype=torch.int64)
        left: list[Group] = []
        count = 0
        for group in self.groups:
            if group.name not in whole:
                numbers[group.first : group.first + group.size] = torch.arange(count + 1, count + group.size + 1)
                left.append(replace(group, first=count + 1))
                count += group.size
        slots = tuple(replace(slot, units=numbers[slot.units]) for slot in self.slots)
        named = {name: reason for group in self.groups if group.name in whole for name in group.layers}
        return replace(
            self,
            groups=tuple(left),
            slots=tuple(slot for slot in slots if bool(slot.units.any())),
            whole={**self.whole, **named},
            mixed=frozenset(int(numbers[unit]) for unit in self.mixed) - {0},
        )


def by_number(kept: Tensor) -> Tensor:
    """bool [1 + units], indexed by unit number: `kept` (bool [units]), and true for number 0, which always stays."""
    return torch.cat([kept.new_ones(1), kept])
