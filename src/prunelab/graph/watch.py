"""Observe the inputs and outputs of a network's layers during a forward pass.

The calls of torch's linear and convolution functions are intercepted, so a layer is seen whatever module it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from prunelab.errors import NetworkError, PrunelabError
from prunelab.graph.graph import Graph, Layer

LAYER_FUNCTIONS = (
    *(functional.linear, torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
    *(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm),
)
ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer.

    `given`: its input, [..., in] for a linear layer, [n, in, ...] for a convolution.
    `compute`: computes its output with the current weights, from `given` or from another input of the same shape.
    `geometry`: the arguments of the call by name: `weight`, `stride`, `padding`, ...
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
    """Inside the block, `visit` is called in place of each layer of the network and returns the layer's output."""
    parameters = dict(network.named_parameters())
    with _Watch({id(parameters[layer.weight]): layer for layer in graph.layers}, visit):
        yield


def each_call(network: nn.Module, graph: Graph, images: Tensor, see: Callable[[Call], None]) -> Any:
    """Run the network and pass each layer's call to `see`, in order, before it is computed; returns the outputs.

    Later operators may overwrite a layer's input (`relu_`), so `see` must read it at once or copy it.
    """

    def visit(call: Call) -> Tensor:
        see(call)
        return call.compute()

    with watching(network, graph, visit):
        return network(images)


def check_seen(graph: Graph, names: Collection[str]) -> None:
    """Check that the calls of all layers that read units were seen; `names`: the layers that were.

    Raises:
        NetworkError: naming the first layer that was not seen.
    """
    for layer in graph.layers:
        if not layer.depthwise and layer.name not in names and bool(graph.inputs_of(layer).any()):
            raise NetworkError(f"{_unseen(layer)}, or exclude the layers before it with method.exclude")


def check_prunable_seen(graph: Graph, weights: Container[str]) -> None:
    """Check that the calls of all prunable layers were seen; `weights`: the names of the weights that were.

    Raises:
        PrunelabError: naming the first layer that was not seen.
    """
    for layer in graph.prunable:
        if layer.weight not in weights:
            raise PrunelabError(f"{_unseen(layer)}, or method.exclude=[{layer.name}]")


def _unseen(layer: Layer) -> str:
    return (
        f"the inputs of layer {layer.name} cannot be seen, because its weight is used inside another module: "
        "choose a criterion that needs none"
    )
