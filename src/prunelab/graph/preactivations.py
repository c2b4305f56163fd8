"""Find the inputs of ReLUs that are sums of layers' outputs, through BatchNorm and residual connections.

Least squares fits such layers together to what the ReLU lets through. A sum is left out unless every part of it is the
output of a layer, or a value that a layer reads before the sum is complete, so that it is seen when the network runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import fx

from prunelab.graph.graph import Norm, Preactivation
from prunelab.graph.interpreter import Interpreter, arguments, operator_name, views, writes


def preactivations(graph: fx.Graph, run: Interpreter) -> tuple[Preactivation, ...]:
    """Those of a traced network, in execution order; `run`: the interpreter that ran it."""
    sums = _Sums(graph, run)
    found = (sums.of(node) for node in graph.nodes if node.op == "call_function" and operator_name(node) == "relu")
    return tuple(each for each in found if each is not None)


class _Sums:
    def __init__(self, graph: fx.Graph, run: Interpreter) -> None:
        self.run = run
        self.order = {node: place for place, node in enumerate(graph.nodes)}
        uses = Counter(run.calls.values())
        self.once = {node: name for node, name in run.calls.items() if uses[name] == 1}
        self.readers: dict[fx.Node, str] = {}  # of a value: the first layer that reads it
        for node, name in self.once.items():
            self.readers.setdefault(node.all_input_nodes[0], name)
        self.place = {name: self.order[node] for node, name in self.once.items()}
        self.written = [(self.order[node], _storage(node)) for node in graph.nodes if writes(node)]
        self.users: Counter[str] = Counter()  # of each parameter and buffer, which may have several placeholders
        for node in graph.nodes:
            if node.name in run.names:
                self.users[run.names[node.name]] += len(node.users)

    def of(self, relu: fx.Node) -> Preactivation | None:
        """The input of a ReLU, or None if it is not such a sum."""
        whole = relu.all_input_nodes[0]
        layers: dict[str, Norm | None] = {}
        added: list[str] = []
        for node, user in _terms(whole, relu):
            norm = None
            if set(node.users) == {user} and operator_name(node) == "batch_norm":
                norm = self._norm(node)
                node, user = (node.all_input_nodes[0], node) if norm else (node, user)
            if node in self.once and set(node.users) == {user} and self._fits(node, norm):
                layers[self.once[node]] = norm
            elif node in self.readers and not self._written_after(node):
                added.append(self.readers[node])
            else:
                return None
        names = tuple(sorted(layers, key=self.place.__getitem__))
        grouped = any(self.run.layers[name].groups > 1 for name in names)
        last = {self.run.layers[name].kind == "linear" for name in (*names, *added)}  # channels are the last dimension
        if not names or (grouped and len(names) > 1) or len(last) > 1:
            return None
        if any(self.place[name] > self.place[names[-1]] for name in added):
            return None
        return Preactivation(names, tuple(layers[name] for name in names), tuple(added))

    def _norm(self, node: fx.Node) -> Norm | None:
        """A BatchNorm with running statistics, of which nothing is shared or computed."""
        given = arguments(node)
        names = [self.run.names.get(value.name) if isinstance(value, fx.Node) else None for value in given[1:5]]
        weight, bias, mean, variance = names
        own = all(
            self.users[name] == 1 if name else value is None for value, name in zip(given[1:5], names, strict=True)
        )
        training, epsilon = bool(given[5]), float(given[7])
        return Norm(weight, bias, mean, variance, epsilon) if own and mean and variance and not training else None

    def _fits(self, node: fx.Node, norm: Norm | None) -> bool:
        """Whether the normalisation is of the layer's outputs: their dimension is 1 for BatchNorm, -1 for `linear`."""
        kind = self.run.layers[self.once[node]].kind
        return kind != "transposed" and (norm is None or kind != "linear" or node.meta["val"].dim() == 2)

    def _written_after(self, value: fx.Node) -> bool:
        storage = _storage(value)
        return any(place > self.order[value] and other is storage for place, other in self.written)


def _terms(node: fx.Node, user: fx.Node) -> Iterator[tuple[fx.Node, fx.Node]]:
    """The terms of a sum of tensors of one shape, each with the operator that reads it; one term if it is no sum."""
    given = arguments(node) if operator_name(node) == "add" and set(node.users) == {user} else []
    parts = [part for part in given[:2] if isinstance(part, fx.Node)]
    shape = node.meta["val"].shape
    if len(parts) == 2 and _plain(node) and all(part.meta["val"].shape == shape for part in parts):
        for part in parts:
            yield from _terms(part, node)
    else:
        yield node, user


def _plain(add: fx.Node) -> bool:
    return bool(add.kwargs.get("alpha", 1) == 1) and add.args[0] is not add.args[1]


def _storage(node: fx.Node) -> fx.Node:
    """The operator that made the memory in which the node's value is."""
    while views(node):
        node = node.all_input_nodes[0]
    return node
