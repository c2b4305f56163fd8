"""One pass over a traced network with the ids of channels in place of numbers.

Each activation becomes an int64 tensor of its own shape that says for every position which channel it belongs to.
Layers give fresh ids and note where their parameters have them; everything else passes, ties or keeps ids by the rules
in `prunelab.graph.rules`. An operator without a rule keeps all that it sees.
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
    """A parameter or buffer where an operator reads it: its name in the network, and its shape.

    `trained`: it is a parameter, so that masks reach it.
    """

    name: str
    shape: tuple[int, ...]
    trained: bool


@dataclass(slots=True)
class Use:
    """A layer as it was met: see `prunelab.graph.graph.Layer`. `ids`: those that it gave."""

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
    """Runs the operators of a graph on ids; what it found is in `ties`, `slots`, `layers`."""

    def __init__(
        self, names: Mapping[str, str], parameters: frozenset[str], rules: Mapping[str, Rule], batch: int
    ) -> None:
        """`names`: of the placeholders that are parameters or buffers, their names in the network."""
        self.names, self.parameters, self.rules, self.batch = names, parameters, rules, batch
        self.ties = Ties()
        self.slots: dict[tuple[str, int], Tensor] = {}
        self.layers: dict[str, Use] = {}
        self.data: dict[str, str] = {}  # parameters that an operator reads as data, and which
        self.mixed: set[int] = set()
        self.other_multiply_adds = self.largest = self.stored = 0
        self._upstream: dict[fx.Node, frozenset[str]] = {}

    def run(self, graph: fx.Graph) -> None:
        """Interpret all of it."""
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
            else:  # a submodule or an attribute that tracing left as it is
                values[node] = _nothing_like(node)

    def slot(self, parameter: Parameter, dim: int, ids: Tensor) -> None:
        """Note which ids ([size]) a dimension of a parameter has; of several uses the ids are tied."""
        known = self.slots.setdefault((parameter.name, dim), ids)
        if known is not ids:
            self.ties.tie(known, ids, f"{parameter.name} is used where channels have to stay, too")

    def layer(self, node: fx.Node, weight: Parameter, bias: Any, kind: tuple[str, int, int], ids: Tensor) -> None:
        """Note a use of a layer that gives `ids` [out]. `kind`: its name, groups, the weight's dimension of outputs."""
        positions = node.meta["val"].numel() // self.batch // len(ids)
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
        """The id of each index along a dimension, int64 [size]; ids that share an index are tied."""
        columns = narrowed(ids).movedim(dim, 0)
        columns = columns.reshape(len(columns), -1)
        if columns.shape[1] > 1:
            self.ties.tie(columns[:, 1:], columns[:, :1].expand(-1, columns.shape[1] - 1), reason)
        return columns[:, 0].expand(ids.shape[dim])

    def ids_of(self, value: Any, why: str) -> Any:
        """An argument as ids; a parameter that is read here as data has none."""
        if isinstance(value, Parameter):
            self.data.setdefault(value.name, why)
            return nothing(value.shape)
        return value

    def keep_all(self, node: fx.Node, given: Any, reason: str) -> Any:
        """All ids that an operator sees stay; its results have none."""
        for value in tree_iter(given):
            ids = self.ids_of(value, reason)
            if isinstance(ids, Tensor):
                self.ties.keep(ids, reason)
        return _nothing_like(node)

    def mix(self, ids: Tensor) -> None:
        """Note ids that meet values which are not tied to them."""
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
        if _writes(node):  # what reads the tensor later, or what it is a view of, reads this result
            written: fx.Node | None = node.all_input_nodes[0]
            while written is not None:
                self._upstream[written] |= self._upstream[node]
                written = written.all_input_nodes[0] if _views(written) else None
        if rule is None:
            every = [values[source] for source in node.all_input_nodes]
            return self.keep_all(node, every, f"{name} is not known to keep channels apart")
        return rule(self, node, list(fx.map_arg(_arguments(node), values.__getitem__)))


def operator_name(node: fx.Node) -> str:
    """`conv2d`, `relu`: an operator's name without its overload, and without the mark of one that works in place."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        name: str = target._schema.name.partition("::")[2]
        return name.rstrip("_") if name.endswith("_") and not name.endswith("__") else name
    return getattr(target, "__name__", str(target))


def _arguments(node: fx.Node) -> list[Any]:
    """The positional arguments in the order of the operator's schema, defaults filled in."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return [*node.args, *node.kwargs.values()]
    positional = [argument for argument in target._schema.arguments if not argument.kwarg_only]
    given = list(node.args)
    return given + [node.kwargs.get(argument.name, argument.default_value) for argument in positional[len(given) :]]


def _nothing_like(node: fx.Node) -> Any:
    """Results without ids, in the shapes of the node's own."""
    return tree_map(lambda val: nothing(val.shape) if isinstance(val, Tensor) else val, node.meta.get("val"))


def _views(node: fx.Node) -> bool:
    """Whether its result shares its numbers with its first argument."""
    target = node.target
    if not (isinstance(target, torch._ops.OpOverload) and node.all_input_nodes):
        return False
    return any(result.alias_info is not None for result in target._schema.returns)


def _writes(node: fx.Node) -> bool:
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable and bool(node.all_input_nodes)
