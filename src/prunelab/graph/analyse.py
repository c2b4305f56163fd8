"""Analysis of a network: trace it, find its removable units, and test by trial that they can be removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from prunelab.errors import NetworkError
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.graph import Graph, Group, Layer, Slot
from prunelab.graph.interpreter import Interpreter
from prunelab.graph.masks import masked, unit_mask
from prunelab.graph.preactivations import preactivations
from prunelab.graph.randomise import normalise, randomised
from prunelab.graph.rules import RULES
from prunelab.graph.surgery import runnable, smaller, tensors
from prunelab.graph.trace import evaluating, first_line, multiply_adds, on_cpu, operators, trace

EXAMPLES = 2
"""Images used for tracing and trials: two, so that the batch dimension is not mistaken for one of length 1."""
HEAVY = 3 * 10**10
"""MACs per image above which trials use a single image. ResNet-50 has 4e9, ViT-H/14 1.7e11."""
PRECISIONS = (torch.float32, torch.float64)
"""Floating-point types precise enough for the trials, whose outputs are compared up to rounding."""
SHARE = 0.4
"""Share of a group's units that a trial removes."""


def analyse(network: nn.Module, images: Tensor) -> Graph:
    """Find the removable units of `network`, given some of its input images ([n, ...], n at least 1).

    Every group of units is tested by trial: with some of its units removed, the smaller network must run and give the
    same outputs as the masked one. A group that fails, because a width is hard-coded in `forward()`, stays whole.

    Raises:
        NetworkError: if the network cannot run on the images, torch.export cannot trace it, one of them is in half
            precision, or they are on different devices or without values.
    """
    for what, value in (("the images are", images), *((f"{name} is", value) for name, value in tensors(network))):
        if value.is_floating_point() and value.dtype not in PRECISIONS:
            raise NetworkError(f"{what} in {value.dtype}: pruning takes float32 or float64, as in network.float()")
    if len(images) == 0:
        raise NetworkError("there is no image to trace the network with: it needs a tensor [n, ...], n at least 1")
    devices = sorted({str(value.device) for value in (images, *(value for _, value in tensors(network)))})
    if len(devices) > 1:
        raise NetworkError(f"the network and the images are on {' and '.join(devices)}: pruning takes one device")
    if devices == ["meta"]:
        raise NetworkError("the network and the images are on the meta device, without values: pruning takes values")
    network, examples = on_cpu(network), images[:EXAMPLES].cpu()
    if len(examples) < EXAMPLES:
        examples = examples.expand(EXAMPLES, *examples.shape[1:]).contiguous()
    with evaluating(network):
        graph = interpret(network, examples)
        if graph.multiply_adds > HEAVY:
            examples = examples[:1]
        subject = randomised(network)
        return _with_never_empty(subject, _checked_by_trial(subject, graph, examples), examples)


def interpret(network: nn.Module, images: Tensor) -> Graph:
    """The graph that follows from the operators alone, before any trial."""
    program = trace(network, images)
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    first = {id(value): name for name, value in tensors(network)}
    everywhere = dict(
        [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
    )
    names = {placeholder: first.get(id(everywhere.get(name)), name) for placeholder, name in named.items()}
    parameters = frozenset(name for name, _ in network.named_parameters())
    run = Interpreter(names, parameters, RULES, len(images))
    run.run(program.graph)
    for (name, _), ids in run.slots.items():
        if name in run.data:
            run.ties.keep(ids, f"{name} is also read by {run.data[name]}")
    graph = _assembled(run, network, tuple(images.shape[1:]))
    graph = replace(graph, operators=operators(program), preactivations=preactivations(program.graph, run))
    return replace(graph, other_multiply_adds=max(0, multiply_adds(program, images) - graph.multiply_adds))


def _assembled(run: Interpreter, network: nn.Module, image: tuple[int, ...]) -> Graph:
    """Turn classes of tied ids into units, numbered by their first id and grouped by the layer that id comes from."""
    labels, stays = run.ties.classes()
    kept = torch.zeros(int(labels.max()) + 1, dtype=torch.bool)
    kept[list(stays)] = True
    units = torch.zeros(run.ties.count, dtype=torch.int64)
    numbers: dict[int, int] = {}
    firsts: list[int] = []
    for id_, label in enumerate(labels.tolist()):
        if not kept[label]:
            if label not in numbers:
                numbers[label] = len(numbers) + 1
                firsts.append(id_)
            units[id_] = numbers[label]
    layers = tuple(
        Layer(
            name=_layer_name(use.weight),
            weight=use.weight,
            bias=use.bias,
            kind=use.kind,
            positions=use.positions,
            uses=use.uses,
            output=not use.feeds,
            groups=use.groups,
            outputs_dim=use.outputs_dim,
        )
        for use in run.layers.values()
    )
    given = {_layer_name(use.weight): units[use.ids] for use in run.layers.values()}
    whole = {}
    for use in run.layers.values():
        if not bool(units[use.ids].any()) and len(use.ids):
            whole[_layer_name(use.weight)] = next(
                (stays[label] for label in labels[use.ids].tolist() if stays.get(label)),
                "they depend on channels that stay",
            )
    slots = tuple(Slot(name, dim, units[ids]) for (name, dim), ids in run.slots.items() if bool(units[ids].any()))
    parameters = tuple(name for name, _ in network.named_parameters())
    return Graph(
        layers=layers,
        groups=_groups(given, len(firsts)),
        slots=slots,
        whole=whole,
        shapes={name: tuple(value.shape) for name, value in tensors(network)},
        parameters=parameters,
        mixed=frozenset(int(units[id_]) for id_ in run.mixed) - {0},
        image=image,
        largest=run.largest,
        stored=run.stored,
    )


def _groups(given: dict[str, Tensor], count: int) -> tuple[Group, ...]:
    """Group the units by the layer in which they first appear.

    `given`: for each layer, the unit of each output, int64 [out].
    """
    groups: list[Group] = []
    seen = 0
    for name, units in given.items():
        new = len(set(units.tolist()) - set(range(seen + 1)))
        if new:
            groups.append(Group(name, seen + 1, new, ()))
            seen += new
    assert seen == count
    sharing = {name: set(units.tolist()) for name, units in given.items()}

    def layers(group: Group) -> tuple[str, ...]:
        numbers = range(group.first, group.first + group.size)
        return tuple(name for name, units in sharing.items() if not units.isdisjoint(numbers))

    return tuple(replace(group, layers=layers(group)) for group in groups)


def _layer_name(weight: str) -> str:
    """The module's path: `stage1.conv` for `stage1.conv.weight`."""
    return weight.removesuffix(".weight")


def _checked_by_trial(network: nn.Module, graph: Graph, images: Tensor) -> Graph:
    """Keep the groups whole that fail the trial."""
    while graph.groups:
        reason = failure(network, graph, some_of(graph, graph.groups), images)
        if reason is None:
            return graph
        reason = f"without them forward() does not run, or computes something else ({reason})"
        graph = graph.keeping(_failing(network, graph, images) or graph.groups, reason)
    return graph


def _failing(network: nn.Module, graph: Graph, images: Tensor) -> list[Group]:
    """The groups that fail the trial on their own."""
    return _culprits(graph.groups, lambda groups: failure(network, graph, some_of(graph, groups), images) is not None)


def _with_never_empty(network: nn.Module, graph: Graph, images: Tensor) -> Graph:
    """Record in `never_empty` the groups without any unit of which the network does not run."""

    def fails(groups: Sequence[Group]) -> bool:
        kept = torch.ones(graph.units, dtype=torch.bool)
        for group in groups:
            kept[group.units] = False
        return not _runs(network, graph, runnable(graph, kept), images)

    least = runnable(graph, torch.zeros(graph.units, dtype=torch.bool))
    if all(bool(least[group.units].any()) for group in graph.groups) or not fails(graph.groups):
        return graph
    bad = _culprits(graph.groups, fails) or graph.groups
    return replace(graph, never_empty=frozenset(group.name for group in bad))


def _culprits(groups: Sequence[Group], fails: Callable[[Sequence[Group]], bool]) -> list[Group]:
    """The groups that fail on their own, found by bisection; all `groups` together are known to fail."""
    if len(groups) == 1:
        return list(groups)
    middle = len(groups) // 2
    halves = (groups[:middle], groups[middle:])
    return [group for half in halves if fails(half) for group in _culprits(half, fails)]


def some_of(graph: Graph, groups: Sequence[Group]) -> Tensor:
    """The units to keep in a trial: bool [units].

    Of each of the groups, at least one unit is removed and one is kept. The choice is random with a fixed seed.
    """
    kept = torch.ones(graph.units, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for group in groups:
        order = torch.rand(group.size, generator=generator)
        removed = order < SHARE
        removed[order.argmin()] = True
        removed[order.argmax()] = False
        kept[group.units] = ~removed
    return kept


@torch.no_grad()
def failure(network: nn.Module, graph: Graph, kept: Tensor, images: Tensor) -> str | None:
    """Why the units not in `kept` (bool [units]) cannot be removed from the network; None if they can.

    They can if the smaller network runs and gives the outputs of the masked one, up to rounding.
    """
    zeroed = masked(network, unit_mask(graph, kept))
    normalise(zeroed, images)
    expected = zeroed(images)
    try:
        found = smaller(zeroed, graph, kept)(images)
    except Exception as error:
        return first_line(error)
    farthest = difference(found, expected)
    return None if is_exact(farthest) else f"its outputs differ by {farthest:.1e}"


@torch.no_grad()
def _runs(network: nn.Module, graph: Graph, kept: Tensor, images: Tensor) -> bool:
    """Whether the network with only the units of `kept` runs and gives finite outputs."""
    try:
        outputs = smaller(network, graph, kept)(images)
    except Exception:
        return False
    return all(bool(leaf.isfinite().all()) for leaf in tree_iter(outputs) if isinstance(leaf, Tensor))
