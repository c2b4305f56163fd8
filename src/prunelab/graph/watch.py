"""What the layers of a network are given and compute while images pass through it.

The calls of torch's linear and convolution functions are watched, so that a layer is seen whichever module it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from prunelab.errors import NetworkError
from prunelab.graph.graph import Graph, Layer

LAYER_FUNCTIONS = (
    *(functional.linear, torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
    *(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm),
)
ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer: its input [n, in, ...] or [..., in], and how it is computed (again, with new weights).

    `compute` takes another input of the same shape in the place of what was given.
    """

    layer: Layer
    given: Tensor
    compute: Callable[..., Tensor]
    geometry: Mapping[str, Any]


class _Watch(TorchFunctionMode):
    def __init__(self, layers: Mapping[int, Layer], visit: Callable[[Call], Tensor]) -> None:
        super().__init__()
        self.layers, self.visit = layers, visit

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in LAYER_FUNCTIONS:
            named = {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}
            layer = self.layers.get(id(named.get("weight", named.get("other"))))
            if layer is not None:

                def compute(given: Tensor = named["input"]) -> Any:
                    return func(given, *args[1:], **kwargs) if args else func(**{**kwargs, "input": given})

                return self.visit(Call(layer, named["input"], compute, named))
        return func(*args, **kwargs)


@contextmanager
def watching(network: nn.Module, graph: Graph, visit: Callable[[Call], Tensor]) -> Iterator[None]:
    """Inside the block, each call of a layer of the network is `visit`'s to answer with the layer's output."""
    parameters = dict(network.named_parameters())
    with _Watch({id(parameters[layer.weight]): layer for layer in graph.layers}, visit):
        yield


def each_call(network: nn.Module, graph: Graph, images: Tensor, see: Callable[[Call], None]) -> Any:
    """`see` each call of a layer before it is computed, in order, while the images pass; returns the outputs.

    What a layer is given may be overwritten by what follows (`relu_`), so it has to be looked at there and then.
    """

    def visit(call: Call) -> Tensor:
        see(call)
        return call.compute()

    with watching(network, graph, visit):
        return network(images)


def check_seen(graph: Graph, names: Collection[str]) -> None:
    """Refuse a network in which a layer that reads units was not among those whose calls were seen, by name.

    Raises:
        NetworkError: naming the layer.
    """
    for layer in graph.layers:
        if not layer.depthwise and layer.name not in names and bool(graph.inputs_of(layer).any()):
            raise NetworkError(
                f"the inputs of layer {layer.name} cannot be seen, because its weight is used inside another module: "
                "choose a criterion that needs none, or exclude the layers before it with method.exclude"
            )
