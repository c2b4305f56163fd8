"""What each operator does to channel ids.

An id is passed on, tied to others, or kept. It is kept if without its channel the operator's result would change, or
the smaller network could not run. An operator that is not in `RULES` keeps every id that it reads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from prunelab.graph.interpreter import Interpreter, Parameter, Rule, operator_name
from prunelab.graph.layer_rules import LAYERS, product
from prunelab.graph.shape_rules import SHAPES
from prunelab.graph.ties import NOTHING, nothing, varies

UNARY = (
    *("relu", "relu6", "silu", "gelu", "hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "leaky_relu", "elu"),
    *("selu", "celu", "softplus", "mish", "erf", "abs", "neg", "exp", "square", "sqrt", "clamp", "clamp_min", "sin"),
    *("clamp_max", "dropout", "feature_dropout", "alpha_dropout", "clone", "contiguous", "alias", "detach", "cos"),
    *("to", "_to_copy", "lift_fresh_copy", "rrelu", "log_sigmoid", "softsign", "hardshrink", "softshrink", "pow"),
)
"""Element-wise operators on one tensor."""
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "rsub")
POOLING = (
    *("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d"),
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"),
    *("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d"),
)
"""Operators on windows of the last dimensions."""
REDUCTIONS = ("mean", "sum", "amax", "amin", "var", "std")


def unary(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The ids are passed on."""
    if any(isinstance(value, Tensor | Parameter) for value in given[1:]):
        return run.keep_all(node, given, f"{operator_name(node)} takes several tensors")
    return run.ids_of(given[0], operator_name(node))


def binary(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Ids of the same entry are tied. With a number, or a tensor that is equal for all channels, they are passed on."""
    name, shape = operator_name(node), node.meta["val"].shape
    reason = f"{name} joins them with values that have to stay"
    one, other = given[:2]
    if isinstance(one, Parameter) and isinstance(other, Tensor):
        one, other = other, one
    if isinstance(one, Tensor) and isinstance(other, Parameter) and _scales(run, one, other, reason):
        run.mix(one)
        return one.expand(shape)
    one, other = run.ids_of(one, name), run.ids_of(other, name)
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        return (one if isinstance(one, Tensor) else other).expand(shape)
    if name == "div":
        run.ties.keep(other, "they are used as divisors")
    first, second = _aligned(one, shape), _aligned(other, shape)
    for small, large in ((second, first), (first, second)):
        if _ignores(small, large):
            run.ties.keep(small, f"{name} broadcasts them over other channels")
            run.mix(large)
            return large.expand(shape)
    first, second = _joint(first.expand(shape), second.expand(shape))
    run.ties.tie(first, second, reason)
    return torch.where(first == NOTHING, second, first).expand(shape)


def _aligned(ids: Tensor, shape: torch.Size) -> Tensor:
    """The ids with as many dimensions as the result."""
    return ids.reshape(*(1,) * (len(shape) - ids.dim()), *ids.shape) if ids.dim() < len(shape) else ids


def _ignores(small: Tensor, large: Tensor) -> bool:
    """Whether `small` has length 1 along every dimension in which the ids of `large` differ."""
    carrying = [dim for dim in range(large.dim()) if varies(large, dim)]
    return all(small.shape[dim] == 1 for dim in carrying) if carrying else small.numel() == 1


def _joint(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both tensors with length 1 along every dimension in which neither differs."""
    for dim in range(one.dim()):
        if one.shape[dim] > 1 and not varies(one, dim) and not varies(other, dim):
            one, other = one.narrow(dim, 0, 1), other.narrow(dim, 0, 1)
    return one, other


def _scales(run: Interpreter, ids: Tensor, parameter: Parameter, reason: str) -> bool:
    """Whether the parameter lies along the only dimension in which the ids differ (layer scale); it is then a slot."""
    carrying = [dim for dim in range(ids.dim()) if varies(ids, dim)]
    if len(carrying) != 1 or len(parameter.shape) > ids.dim():
        return False
    dim = carrying[0] - ids.dim() + len(parameter.shape)
    if dim < 0 or parameter.shape[dim] == 1:
        return False
    run.slot(parameter, dim, run.along(ids, carrying[0], reason))
    return True


def pooling(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Passed on if the ids do not differ within a window; otherwise kept."""
    name = operator_name(node)
    ids, val = run.ids_of(given[0], name), node.meta["val"]
    outputs = val if isinstance(val, tuple | list) else (val,)
    shape = outputs[0].shape
    window = [
        dim for dim in range(ids.dim()) if ids.shape[dim] != shape[dim] or dim >= ids.dim() - _window(name, given)
    ]
    if any(varies(ids, dim) for dim in window):
        return run.keep_all(node, given, f"{name} has windows across them")
    for dim in window:
        ids = ids.narrow(dim, 0, 1)
    results = [ids.expand(output.shape) for output in outputs]
    return tuple(results) if isinstance(val, tuple | list) else results[0]


def _window(name: str, given: list[Any]) -> int:
    """How many of the last dimensions the operator's windows cover."""
    if name in ("pad", "constant_pad_nd"):
        return len(given[1]) // 2
    return int(name[name.rindex("d") - 1]) if "_with_" not in name else 2


def reduction(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Passed on if the ids do not differ along the reduced dimensions; otherwise kept."""
    name = operator_name(node)
    ids = run.ids_of(given[0], name)
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    named = dict(zip([argument.name for argument in arguments], given, strict=False))
    dims = named.get("dim")
    dims = list(range(ids.dim())) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    if any(varies(ids, dim) for dim in dims):
        return run.keep_all(node, given, f"{name} reads all channels")
    for dim in sorted((dim % ids.dim() for dim in dims), reverse=True):
        ids = ids.narrow(dim, 0, 1) if named.get("keepdim") else ids.select(dim, 0)
    return ids


def softmax(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Over positions the ids are passed on; over channels they are kept."""
    ids = run.ids_of(given[0], "softmax")
    if varies(ids, given[1]):
        run.ties.keep(ids, f"{operator_name(node)} reads all channels")
    return ids


def layer_norm(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Kept: the statistics are taken over channels."""
    ids = run.ids_of(given[0], "layer norm")
    run.ties.keep(ids, f"{operator_name(node).replace('_', ' ')} reads all channels")
    return nothing(ids.shape)


def added_product(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """`baddbmm`, a product of two activations added to a third: the ids of all three are kept."""
    run.keep_all(node, given[0], "a product of activations is added to them")
    return product(run, node, given[1:])


def attention(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Scaled dot-product attention: ids are kept, since heads have a fixed width."""
    return run.keep_all(node, given, "attention reads whole heads")


def item(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """One of several results of an operator."""
    return given[0][given[1]]


def constant(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """A new tensor that only takes its shape or type from another."""
    return nothing(node.meta["val"].shape)


def ignored(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """An assertion without a result."""
    return None


RULES: dict[str, Rule] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(POOLING, pooling),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), softmax),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), layer_norm),
    "bmm": product,
    "baddbmm": added_product,
    **dict.fromkeys(("zeros_like", "ones_like", "new_zeros", "new_ones", "full_like"), constant),
    "scaled_dot_product_attention": attention,
    "getitem": item,
    "_assert_tensor_metadata": ignored,
    **SHAPES,
    **LAYERS,
}
