"""Rules for operators with parameters: linear layers, convolutions, batch normalisation."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor, fx

from prunelab.graph.interpreter import Interpreter, Parameter, Rule, operator_name

COMPUTED = "their weight is not a parameter, but a buffer or computed in the network"


def linear(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """The input ids are a slot of the weight; the outputs get new ids."""
    ids, weight, bias = given
    if not (isinstance(ids, Tensor) and _is_trained(weight)):
        return run.keep_all(node, given, COMPUTED)
    run.slot(weight, 1, run.along(ids, -1, "a linear layer reads them"))
    outputs = run.ties.fresh(weight.shape[0])
    _give(run, node, weight, bias, ("linear", 1, 0), outputs)
    return outputs.expand(node.meta["val"].shape)


def matmul(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """`x @ weight` is a linear layer with the weight [in, out]; a product of two activations is attention."""
    ids, weight = given[:2]
    if not (isinstance(ids, Tensor) and _is_trained(weight) and len(weight.shape) == 2 and ids.dim() > 1):
        return product(run, node, given)
    run.slot(weight, 0, run.along(ids, -1, "a product reads them"))
    outputs = run.ties.fresh(weight.shape[1])
    _give(run, node, weight, None, ("linear", 1, 1), outputs)
    return outputs.expand(node.meta["val"].shape)


def product(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """A product of two activations (attention): their ids are kept."""
    return run.keep_all(node, given[:2], "attention multiplies them with one another")


def convolution(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Plain; depthwise: outputs have the ids of their inputs; grouped: the same positions go from every group."""
    ids, weight, bias = given[:3]
    name = operator_name(node)
    groups = _argument(node, given, "groups")
    spatial = int(name[-2])  # conv2d
    if not (isinstance(ids, Tensor) and _is_trained(weight)) or ids.dim() != spatial + 2:
        return run.keep_all(node, given, COMPUTED)
    channels = run.along(ids, 1, "a convolution reads them")
    outputs = node.meta["val"].shape[1]
    if groups == 1:
        run.slot(weight, 1, channels)
        produced = run.ties.fresh(outputs)
    elif groups == len(channels):
        produced = channels.repeat_interleave(outputs // groups)
    else:
        within = channels.reshape(groups, -1)
        run.ties.tie(within, within[:1].expand_as(within), "the groups of a convolution must be of equal size")
        run.slot(weight, 1, within[0])
        produced = run.ties.fresh(outputs // groups).repeat(groups)
    kind = "depthwise" if groups > 1 and groups == len(channels) else "conv"
    _give(run, node, weight, bias, (kind, groups, 0), produced)
    return produced.reshape(1, -1, *(1,) * spatial).expand(node.meta["val"].shape)


def transposed(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """As a convolution, but with the weight [in, out, ...]. Grouped ones are not supported: their channels stay."""
    ids, weight, bias = given[:3]
    if not (isinstance(ids, Tensor) and _is_trained(weight)):
        return run.keep_all(node, given, COMPUTED)
    if _argument(node, given, "groups") != 1 or ids.dim() != len(weight.shape):
        return run.keep_all(node, given, "they enter a grouped transposed convolution")
    run.slot(weight, 0, run.along(ids, 1, "a convolution reads them"))
    produced = run.ties.fresh(weight.shape[1])
    _give(run, node, weight, bias, ("transposed", 1, 1), produced)
    outputs, inputs = (prod(shape[2:]) for shape in (node.meta["val"].shape, ids.shape))
    run.layers[weight.name].positions += inputs - outputs  # it multiplies at each input position
    return produced.reshape(1, -1, *(1,) * (ids.dim() - 2)).expand(node.meta["val"].shape)


def normalisation(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """Batch and instance normalisation work channel by channel: their parameters and statistics are slots."""
    ids = given[0]
    channels = run.along(ids, 1, "batch normalisation reads them")
    for value in given[1:5]:
        if isinstance(value, Parameter):
            run.slot(value, 0, channels)
        elif isinstance(value, Tensor):
            return run.keep_all(node, given, "their normalisation is computed in the network")
    return channels.reshape(1, -1, *(1,) * (ids.dim() - 2)).expand(ids.shape)


def prelu(run: Interpreter, node: fx.Node, given: list[Any]) -> Any:
    """A slope per channel is a slot; a single slope for all channels is none."""
    ids, slope = given
    if isinstance(slope, Parameter) and slope.shape != (1,):
        run.slot(slope, 0, run.along(ids, 1, "a slope belongs to them"))
    return ids


def _give(
    run: Interpreter, node: fx.Node, weight: Parameter, bias: Any, kind: tuple[str, int, int], ids: Tensor
) -> None:
    """Record the output `ids` [out] of a layer: slots of its weight and bias, and the call itself."""
    run.slot(weight, kind[2], ids)
    if isinstance(bias, Parameter):
        run.slot(bias, 0, ids)
    elif isinstance(bias, Tensor):
        run.ties.keep(ids, "their bias is computed in the network")
    run.layer(node, weight, bias, kind, ids)


def _is_trained(weight: Any) -> bool:
    """Whether the weight is a parameter of the network, which can be pruned."""
    return isinstance(weight, Parameter) and weight.trained


def _argument(node: fx.Node, given: list[Any], name: str) -> Any:
    """An argument by its name in the operator's schema."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    return given[names.index(name)]


LAYERS: dict[str, Rule] = {
    "linear": linear,
    "matmul": matmul,
    "mm": matmul,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), transposed),
    **dict.fromkeys(("batch_norm", "instance_norm"), normalisation),
    "prelu": prelu,
}
