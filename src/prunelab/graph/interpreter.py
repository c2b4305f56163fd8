"""Abstract interpretation of a traced network: one pass over its operators with channel ids in place of numbers.

Each activation is represented by an int64 tensor of the same shape with the channel id of every value. Layers create
new ids and record which dimensions of their parameters they belong to. All other operators pass on, tie or keep ids by
the rules in `prunelab.graph.rules`. An operator without a rule keeps every id that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_iter, tree_map

from prunelab.graph.ties import NOTHING, Ties, narrowed, nothing, spread


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter or buffer as an argument of an operator: its name in the network and its shape.

    `trained`: whether it is a parameter, which masks apply to, and not a buffer.
    """

    name: str
    shape: tuple[int, ...]
    trained: bool


@dataclass(slots=True)
class Use:
    """A layer found so far, with the fields of `prunelab.graph.graph.Layer`.

    `ids`: of its outputs, int64 [out]. `feeds`: whether another layer reads it.
    """

    weight: str
    bias: str | None
    kind: str
    positions: int
    groups: int
    outputs_dim: int
    ids: Tensor
    uses: int = 1
    feeds: bool = False


Rule = Callable[["Interpreter", fx.Node, list[Any]], Any]


class Interpreter:
    """Runs the operators of a graph on ids.

    Its results are `ties`, `slots`, `layers`, `calls`, `data`, `mixed` and counts.
    """

    def __init__(
        self, names: Mapping[str, str], parameters: frozenset[str], rules: Mapping[str, Rule], batch: int
    ) -> None:
        """`names`: the names in the network of the placeholders that are parameters or buffers; `batch`: images."""
        self.names, self.parameters, self.rules, self.batch = names, parameters, rules, batch
        self.ties = Ties()
        self.slots: dict[tuple[str, int], Tensor] = {}
        self.layers: dict[str, Use] = {}
        self.calls: dict[fx.Node, str] = {}  # of layers: the name of the weight, in execution order
        self.data: dict[str, str] = {}  # parameters that an operator reads as data, and the name of that operator
        self.mixed: set[int] = set()
        self.largest = self.stored = 0
        self._upstream: dict[fx.Node, frozenset[str]] = {}

    def run(self, graph: fx.Graph) -> None:
        """Interpret every operator."""
        values: dict[fx.Node, Any] = {}
        for node in graph.nodes:
            upstream = frozenset[str]().union(*(self._upstream[source] for source in node.all_input_nodes))
            self._upstream[node] = upstream
            if node.op == "placeholder":
                values[node] = self._placeholder(node)
            elif node.op == "output":
                for ids in tree_iter(fx.map_arg(node.args, values.__getitem__)):
                    if isinstance(ids, Tensor):
                        self.ties.keep(ids, "they are the network's outputs")
            elif node.op == "call_function":
                result = self._call(node, values)
                given = (
                    sum(val.numel() for val in tree_iter(node.meta.get("val")) if isinstance(val, Tensor)) // self.batch
                )
                self.largest, self.stored = max(self.largest, given), self.stored + given
                values[node] = tree_map(lambda ids: spread(ids) if isinstance(ids, Tensor) else ids, result)
            else:  # a submodule or an attribute that was not traced into
                values[node] = _nothing_like(node)

    def slot(self, parameter: Parameter, dim: int, ids: Tensor) -> None:
        """Record the ids ([size]) along a dimension of a parameter. If it is used several times, the ids are tied."""
        known = self.slots.setdefault((parameter.name, dim), ids)
        if known is not ids:
            self.ties.tie(known, ids, f"{parameter.name} is also used where channels have to stay")

    def layer(self, node: fx.Node, weight: Parameter, bias: Any, kind: tuple[str, int, int], ids: Tensor) -> None:
        """Record a call of a layer with outputs `ids` [out]. `kind`: its kind, groups, and `outputs_dim`."""
        positions = node.meta["val"].numel() // self.batch // len(ids)
        self.calls[node] = weight.name
        for name in self._upstream[node]:
            self.layers[name].feeds = True
        self._upstream[node] |= {weight.name}
        if weight.name in self.layers:
            known = self.layers[weight.name]
            if (known.kind, known.groups, known.outputs_dim) != kind:
                self.data.setdefault(weight.name, "a layer of another kind")
            known.uses += 1
            known.positions += positions
            return
        of_bias = bias.name if isinstance(bias, Parameter) else None
        self.layers[weight.name] = Use(weight.name, of_bias, kind[0], positions, kind[1], kind[2], ids)

    def along(self, ids: Tensor, dim: int, reason: str) -> Tensor:
        """The id of each index along a dimension, int64 [size]. Different ids at the same index are tied."""
        columns = narrowed(ids).movedim(dim, 0)
        columns = columns.reshape(len(columns), -1)
        if columns.shape[1] > 1:
            self.ties.tie(columns[:, 1:], columns[:, :1].expand(-1, columns.shape[1] - 1), reason)
        return columns[:, 0].expand(ids.shape[dim])

    def ids_of(self, value: Any, why: str) -> Any:
        """An argument as ids. A parameter read as data has none, and is recorded as such, with the reader `why`."""
        if isinstance(value, Parameter):
            self.data.setdefault(value.name, why)
            return nothing(value.shape)
        return value

    def keep_all(self, node: fx.Node, given: Any, reason: str) -> Any:
        """Keep all ids that an operator reads; its results have none."""
        for value in tree_iter(given):
            ids = self.ids_of(value, reason)
            if isinstance(ids, Tensor):
                self.ties.keep(ids, reason)
        return _nothing_like(node)

    def mix(self, ids: Tensor) -> None:
        """Record ids that are combined with values not tied to them."""
        self.mixed.update(narrowed(ids).unique().tolist())
        self.mixed.discard(NOTHING)

    def _placeholder(self, node: fx.Node) -> Any:
        value = node.meta["val"]
        if node.name in self.names:
            name = self.names[node.name]
            return Parameter(name, tuple(value.shape), name in self.parameters)
        return nothing(value.shape) if isinstance(value, Tensor) else value

    def _call(self, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
        name = operator_name(node)
        rule = self.rules.get(name)
        if writes(node):  # later readers of the tensor, or of what it is a view of, read this result
            written: fx.Node | None = node.all_input_nodes[0]
            while written is not None:
                self._upstream[written] |= self._upstream[node]
                written = written.all_input_nodes[0] if views(written) else None
        if rule is None:
            every = [values[source] for source in node.all_input_nodes]
            return self.keep_all(node, every, f"{name} is not known to keep channels apart")
        return rule(self, node, list(fx.map_arg(arguments(node), values.__getitem__)))


def operator_name(node: fx.Node) -> str:
    """The operator's name without its overload and without the suffix of an in-place variant: `conv2d`, `relu`."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        name: str = target._schema.name.partition("::")[2]
        return name.rstrip("_") if name.endswith("_") and not name.endswith("__") else name
    return getattr(target, "__name__", str(target))


def arguments(node: fx.Node) -> list[Any]:
    """The positional arguments in the order of the operator's schema, with defaults filled in."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return [*node.args, *node.kwargs.values()]
    positional = [argument for argument in target._schema.arguments if not argument.kwarg_only]
    given = list(node.args)
    return given + [node.kwargs.get(argument.name, argument.default_value) for argument in positional[len(given) :]]


def _nothing_like(node: fx.Node) -> Any:
    """Results of the node's shapes without ids."""
    return tree_map(lambda val: nothing(val.shape) if isinstance(val, Tensor) else val, node.meta.get("val"))


def views(node: fx.Node) -> bool:
    """Whether the result is a view of the first argument."""
    target = node.target
    if not (isinstance(target, torch._ops.OpOverload) and node.all_input_nodes):
        return False
    return any(result.alias_info is not None for result in target._schema.returns)


def writes(node: fx.Node) -> bool:
    """Whether the operator changes its first argument in place."""
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable and bool(node.all_input_nodes)
