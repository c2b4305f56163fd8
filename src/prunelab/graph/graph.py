"""What analysis finds in a network: its layers, its removable units, and where each unit has its parameters.

A *unit* is a class of channels that can only be removed together: a neuron of a linear layer, an output channel of a
convolution, or the channels that a residual connection, a depthwise convolution or a shared weight ties to one another.
A *slot* is one dimension of one parameter or buffer, with the unit that each index along it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

import torch
from torch import Tensor

from prunelab.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer or a convolution: weight [out, in, ...], a transposed convolution's [in, out, ...].

    `name` is the path of its module. `positions`: how many outputs each channel has for one image, over all its uses.
    `output`: no other layer reads what it computes.
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
        """Whether each of its channels out is one of its channels in."""
        return self.kind == "depthwise"

    @property
    def inputs_dim(self) -> int:
        """The dimension of the weight along which its inputs are."""
        return 1 - self.outputs_dim


@dataclass(frozen=True, slots=True)
class Slot:
    """One dimension of a parameter or buffer: `units` int64 [size], the unit of each index, 0 where it stays."""

    tensor: str
    dim: int
    units: Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """The units that first appear in one layer: numbers `first` to `first + size - 1`. `layers`: all that give them."""

    name: str
    first: int
    size: int
    layers: tuple[str, ...]

    @property
    def units(self) -> slice:
        """Where its units stand in a tensor that has one value per unit, counted from unit 1."""
        return slice(self.first - 1, self.first - 1 + self.size)


@dataclass(frozen=True)
class Graph:
    """Layers in the order in which data passes them, units in the order in which they first appear.

    `whole`: layers none of whose output channels can be removed, and why. `mixed`: units that meet values which are
    not tied to them (a mask over positions, say). `other_multiply_adds`: of one image, outside all layers (attention).
    `never_empty`: groups of which one unit stays, because the network does not run without any. `image`: of one image,
    the shape. `largest`: the most numbers that one operator gives for it; `stored`: those of all. `operators`: the ATen
    names of what it computes with.
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

    def __str__(self) -> str:
        """What can be removed, a line for each group of units, and what stays whole."""
        lines = [f"{self.units} units in {len(self.groups)} groups; {len(self.layers)} layers"]
        for group in self.groups:
            others = [name for name in group.layers if name != group.name]
            lines.append(f"  {group.name}: {group.size} units" + (f", tied with {', '.join(others)}" if others else ""))
        return "\n".join([*lines, *(f"  {name} stays whole: {why}" for name, why in self.whole.items())])

    @property
    def units(self) -> int:
        """How many there are."""
        return sum(group.size for group in self.groups)

    @cached_property
    def by_tensor(self) -> dict[str, tuple[Slot, ...]]:
        """The slots of each parameter and buffer that has any."""
        found: dict[str, list[Slot]] = {}
        for slot in self.slots:
            found.setdefault(slot.tensor, []).append(slot)
        return {name: tuple(slots) for name, slots in found.items()}

    @cached_property
    def prunable(self) -> tuple[Layer, ...]:
        """The layers whose weights are ranked: all but the output layers and those excluded."""
        return tuple(layer for layer in self.layers if not layer.output and layer.name not in self.excluded)

    def slot(self, tensor: str, dim: int) -> Tensor:
        """Units int64 [size] along a dimension of a parameter; zeros where it has no slot."""
        for slot in self.by_tensor.get(tensor, ()):
            if slot.dim == dim:
                return slot.units
        return torch.zeros(self.shapes[tensor][dim], dtype=torch.int64)

    def inputs_of(self, layer: Layer) -> Tensor:
        """Units of a layer's inputs, int64 [in]; of a depthwise or grouped convolution, those along its weight."""
        return self.slot(layer.weight, layer.inputs_dim)

    def outputs_of(self, layer: Layer) -> Tensor:
        """Units of a layer's outputs, int64 [out]."""
        return self.slot(layer.weight, layer.outputs_dim)

    def sum_per_unit(self, values: Tensor, units: Tensor) -> Tensor:
        """`values` [..., size] added up over the indices of each unit: [..., units of the network]."""
        sums = values.new_zeros(*values.shape[:-1], self.units + 1)
        return sums.index_add_(-1, units.to(values.device), values)[..., 1:]

    def excluding(self, patterns: Iterable[str]) -> Graph:
        """The graph with the layers that the patterns (`stage1.*`) name left whole.

        Raises:
            ConfigError: for a pattern that no layer matches.
        """
        names = [layer.name for layer in self.layers]
        chosen: set[str] = set()
        for pattern in patterns:
            found = {name for name in names if fnmatchcase(name, pattern)}
            if not found:
                raise ConfigError(
                    f"method.exclude={pattern} is refused: no layer is called so; the layers are {', '.join(names)}"
                )
            chosen |= found
        if not chosen:
            return self
        groups = [group for group in self.groups if chosen.intersection(group.layers)]
        kept = self.keeping(groups, "tied to a layer that method.exclude names")
        whole = {**kept.whole, **dict.fromkeys(sorted(chosen), "excluded by method.exclude")}
        return replace(kept, excluded=frozenset(chosen), whole=whole)

    def keeping(self, groups: Iterable[Group], reason: str) -> Graph:
        """The graph without the units of some groups; those that remain are numbered anew."""
        gone = {group.name for group in groups}
        numbers = torch.zeros(self.units + 1, dtype=torch.int64)
        left: list[Group] = []
        count = 0
        for group in self.groups:
            if group.name not in gone:
                numbers[group.first : group.first + group.size] = torch.arange(count + 1, count + group.size + 1)
                left.append(replace(group, first=count + 1))
                count += group.size
        slots = tuple(replace(slot, units=numbers[slot.units]) for slot in self.slots)
        named = {name: reason for group in self.groups if group.name in gone for name in group.layers}
        return replace(
            self,
            groups=tuple(left),
            slots=tuple(slot for slot in slots if bool(slot.units.any())),
            whole={**self.whole, **named},
            mixed=frozenset(int(numbers[unit]) for unit in self.mixed) - {0},
        )
