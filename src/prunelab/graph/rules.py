"""What each operator does to the ids of channels.

Three things can happen to an id: it passes, it is tied to others, or it is kept because the operator's result would
change, or the smaller network could not run, without its channel. What is not in `RULES` keeps everything it sees.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from prunelab.graph.interpreter import Interpreter, Parameter, Rule, operator_name
from prunelab.graph.layer_rules import LAYERS
from prunelab.graph.shape_rules import SHAPES
from prunelab.graph.ties import NOTHING, nothing, varies

UNARY = (
    *("relu", "relu6", "silu", "gelu", "hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "leaky_relu", "elu"),
    *("selu", "celu", "softplus", "mish", "erf", "abs", "neg", "exp", "square", "sqrt", "clamp", "clamp_min", "sin"),
    *("clamp_max", "dropout", "feature_dropout", "alpha_dropout", "clone", "contiguous", "alias", "detach", "cos"),
    *("to", "_to_copy", "lift_fresh_copy", "rrelu", "log_sigmoid", "softsign", "hardshrink", "softshrink", "pow"),
)
"""Operators that take one tensor and treat each number alone."""
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "rsub")
POOLING = (
    *("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d"),
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"),
    *("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d"),
)
"""Operators whose results come from a window of the last dimensions."""
REDUCTIONS = ("mean", "sum", "amax", "amin", "var", "std")


def unary(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The ids pass."""
    if any(isinstance(value, Tensor | Parameter) for value in given[1:]):
        return run.keep_all(node, given, f"{operator_name(node)} takes several tensors")
    return run.ids_of(given[0], operator_name(node))


def binary(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Ids at the same place are tied; a number, or a tensor that is the same for all channels, lets them pass."""
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
        run.ties.keep(other, "they are divided by")
    first, second = _aligned(one, shape), _aligned(other, shape)
    for small, large in ((second, first), (first, second)):
        if _ignores(small, large):
            run.ties.keep(small, f"{name} spreads them over other channels")
            run.mix(large)
            return large.expand(shape)
    first, second = _joint(first.expand(shape), second.expand(shape))
    run.ties.tie(first, second, reason)
    return torch.where(first == NOTHING, second, first).expand(shape)


def _aligned(ids: Tensor, shape: torch.Size) -> Tensor:
    """With as many dimensions as the result."""
    return ids.reshape(*(1,) * (len(shape) - ids.dim()), *ids.shape) if ids.dim() < len(shape) else ids


def _ignores(small: Tensor, large: Tensor) -> bool:
    """Whether `small` has one value along every dimension in which the ids of `large` differ."""
    carrying = [dim for dim in range(large.dim()) if varies(large, dim)]
    return all(small.shape[dim] == 1 for dim in carrying) if carrying else small.numel() == 1


def _joint(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both with length 1 along the dimensions in which neither differs."""
    for dim in range(one.dim()):
        if one.shape[dim] > 1 and not varies(one, dim) and not varies(other, dim):
            one, other = one.narrow(dim, 0, 1), other.narrow(dim, 0, 1)
    return one, other


def _scales(run: Interpreter, ids: Tensor, parameter: Parameter, reason: str) -> bool:
    """A parameter along the one dimension in which the ids differ (layer scale): a slot of theirs."""
    carrying = [dim for dim in range(ids.dim()) if varies(ids, dim)]
    if len(carrying) != 1 or len(parameter.shape) > ids.dim():
        return False
    dim = carrying[0] - ids.dim() + len(parameter.shape)
    if dim < 0 or parameter.shape[dim] == 1:
        return False
    run.slot(parameter, dim, run.along(ids, carrying[0], reason))
    return True


def pooling(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The ids of a channel pass as long as they do not differ within a window."""
    name = operator_name(node)
    ids, val = run.ids_of(given[0], name), node.meta["val"]
    outputs = val if isinstance(val, tuple | list) else (val,)
    shape = outputs[0].shape
    window = [
        dim for dim in range(ids.dim()) if ids.shape[dim] != shape[dim] or dim >= ids.dim() - _window(name, given)
    ]
    if any(varies(ids, dim) for dim in window):
        return run.keep_all(node, given, f"{name} runs over them")
    for dim in window:
        ids = ids.narrow(dim, 0, 1)
    results = [ids.expand(output.shape) for output in outputs]
    return tuple(results) if isinstance(val, tuple | list) else results[0]


def _window(name: str, given: list[Any]) -> int:
    """How many of the last dimensions an operator's windows cover."""
    if name in ("pad", "constant_pad_nd"):
        return len(given[1]) // 2
    return int(name[name.rindex("d") - 1]) if "_with_" not in name else 2


def reduction(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The ids pass as long as the dimensions that are reduced do not differ in them."""
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
    """Over positions the ids pass; over channels they stay."""
    ids = run.ids_of(given[0], "softmax")
    if varies(ids, given[1]):
        run.ties.keep(ids, f"{operator_name(node)} reads all channels")
    return ids


def layer_norm(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Its statistics are over channels: they stay."""
    ids = run.ids_of(given[0], "layer norm")
    run.ties.keep(ids, f"{operator_name(node).replace('_', ' ')} reads all channels")
    return nothing(ids.shape)


def product(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Of two activations (attention): what they contract stays, and is counted."""
    shape = node.meta["val"].shape
    run.other_multiply_adds += prod(shape) * int(_shape(given[0])[-1]) // run.batch
    return run.keep_all(node, given[:2], "attention multiplies them with one another")


def attention(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Scaled dot products: channels of a head belong together."""
    (*batch, queries, width), keys, values = given[0].shape, given[1].shape[-2], given[2].shape[-1]
    run.other_multiply_adds += prod(batch) * queries * keys * (width + values) // run.batch
    return run.keep_all(node, given, "attention reads whole heads")


def item(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """One of several results."""
    return given[0][given[1]]


def constant(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """A new tensor that takes nothing but a shape or a type from another."""
    return nothing(node.meta["val"].shape)


def ignored(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """An assertion about types."""
    return None


def _shape(value: Tensor | Parameter) -> tuple[int, ...]:
    return tuple(value.shape)


RULES: dict[str, Rule] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(POOLING, pooling),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), softmax),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), layer_norm),
    **dict.fromkeys(("matmul", "bmm", "baddbmm"), product),
    **dict.fromkeys(("zeros_like", "ones_like", "new_zeros", "new_ones", "full_like"), constant),
    "scaled_dot_product_attention": attention,
    "getitem": item,
    "_assert_tensor_metadata": ignored,
    **SHAPES,
    **LAYERS,
}
