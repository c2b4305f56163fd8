"""Rules for operators that rearrange values: views, permutations, slices, concatenation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from prunelab.graph.interpreter import Interpreter, Rule, operator_name
from prunelab.graph.ties import nothing, spread, varies


def applied(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The operator itself is applied to the ids."""
    given = [run.ids_of(value, operator_name(node)) for value in given]
    return node.target(*given)  # type: ignore[operator]


def reshape(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Dimensions may be merged. If the channel dimension is split (into groups or heads), its parts are tied."""
    ids, shape = run.ids_of(given[0], operator_name(node)), tuple(node.meta["val"].shape)
    split: list[int] = []
    for before, after in _blocks(tuple(ids.shape), shape):
        if not any(varies(ids, dim) for dim in before):
            continue
        wide = [dim for dim in after if shape[dim] > 1]
        if len(wide) <= 1:
            continue
        if len([dim for dim in before if ids.shape[dim] > 1]) > 1:
            return run.keep_all(node, given, f"{operator_name(node)} rearranges them")
        split += wide[:-1]
    result = spread(ids.reshape(shape))
    for dim in split:
        result = same_along(run, result, dim, f"{operator_name(node)} splits them into equal parts")
    return result


def same_along(run: Interpreter, ids: Tensor, dim: int, reason: str) -> Tensor:
    """Tie the ids along a dimension, and return them without any difference along it."""
    first = ids.narrow(dim, 0, 1).expand(ids.shape)
    run.ties.tie(ids, first, reason)
    return first


def divided(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """chunk, split, unbind: along channels, equal parts are tied and others kept; else the operator is applied."""
    name, val = operator_name(node), node.meta["val"]
    ids = run.ids_of(given[0], name)
    dim = given[-1] % ids.dim()
    if name == "unbind" or not varies(ids, dim):
        if name == "unbind" and varies(ids, dim):
            return run.keep_all(node, given, "unbind separates them one by one")
        return list(node.target(ids, *given[1:]))  # type: ignore[operator]
    sizes = {part.shape[dim] for part in val}
    if len(sizes) > 1:
        return run.keep_all(node, given, f"{name} splits them into parts of unequal sizes")
    parts = spread(torch.stack([ids.narrow(dim, size * k, size) for size in sizes for k in range(len(val))]))
    return list(same_along(run, parts, 0, f"{name} splits them into equal parts"))


def taken(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """select, slice: along channels the ids are kept, since indices are fixed numbers; otherwise passed on."""
    ids = run.ids_of(given[0], operator_name(node))
    dim = given[1] % ids.dim() if ids.dim() else 0
    result: Tensor = node.target(ids, *given[1:])  # type: ignore[operator]
    if varies(ids, dim) and result.shape != ids.shape:
        run.ties.keep(ids, f"{operator_name(node)} selects them by index")
        return nothing(result.shape)
    return result


def moved(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """roll: passed on unless it moves channels, which are then kept."""
    ids = run.ids_of(given[0], operator_name(node))
    dims = given[2] or range(ids.dim())
    if any(varies(ids, dim) for dim in dims):
        return run.keep_all(node, given, "roll shifts them by a fixed number")
    return ids


def concatenated(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """cat, stack: along channels ids are concatenated; along another dimension, ids of the same channel are tied."""
    name = operator_name(node)
    parts = [run.ids_of(part, name) for part in given[0]]
    dim = given[1] if len(given) > 1 and isinstance(given[1], int) else 0
    if name == "stack":
        dim %= parts[0].dim() + 1
        parts = [part.unsqueeze(dim) for part in parts]
    dim %= parts[0].dim()
    result = spread(torch.cat(parts, dim))
    if any(varies(result, other) for other in range(result.dim()) if other != dim):
        return same_along(run, result, dim, f"{name} joins them with values that have to stay")
    return result


def _blocks(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Match the dimensions of two shapes: the shortest runs of dimensions with equal products, as lists of indices."""
    blocks: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        ins, outs = [i] if i < len(before) else [], [j] if j < len(after) else []
        left = before[i] if ins else 1
        right = after[j] if outs else 1
        i, j = i + len(ins), j + len(outs)
        while left != right:
            if left < right:
                left *= before[i]
                ins.append(i)
                i += 1
            else:
                right *= after[j]
                outs.append(j)
                j += 1
        blocks.append((ins, outs))
    return blocks


SHAPES: dict[str, Rule] = {
    **dict.fromkeys(("permute", "transpose", "t", "movedim", "squeeze", "unsqueeze", "expand", "expand_as"), applied),
    **dict.fromkeys(("flip", "repeat", "adjoint", "numpy_T"), applied),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "_unsafe_view", "view_as"), reshape),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "unbind"), divided),
    **dict.fromkeys(("select", "slice", "narrow"), taken),
    **dict.fromkeys(("cat", "concat", "stack"), concatenated),
    "roll": moved,
}
