"""What an error in a layer's outputs costs: the output factor of K-FAC's approximation to the Fisher matrix.

For a layer it is the mean of g g' over images and positions, where g is the gradient, with respect to the layer's
outputs before the activation, of the log-likelihood of a label drawn from the network's own prediction (Martens and
Grosse 2015; of a convolution, Grosse and Martens 2016). The labels of the data set play no part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.graph import Graph
from prunelab.graph.trace import evaluating
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration, at_once, logits_of
from prunelab.pruning.design import rows_of


def output_curvatures(network: nn.Module, graph: Graph, calibration: Calibration) -> dict[str, Tensor]:
    """The factor of each layer that is called, by the name of its weight: [out, out], float32, of mean diagonal 1.

    It is the identity for a layer on which the outputs do not depend. Calls of the same layer count together.

    Raises:
        PrunelabError: if the network does not give logits [n, classes].
    """
    generator = torch.Generator().manual_seed(calibration.seed)
    sums: dict[str, Tensor] = {}
    with evaluating(network):
        for images in torch.split(calibration.images, at_once(graph.stored)):
            calls, gradients = _gradients(network, graph, images, generator)
            for call, gradient in zip(calls, gradients, strict=True):
                rows, name = rows_of(gradient, call.layer), call.layer.weight
                sums[name] = rows.T @ rows + sums.get(name, rows.new_zeros(()))
    return {name: _scaled(total) for name, total in sums.items()}


def _gradients(
    network: nn.Module, graph: Graph, images: Tensor, generator: torch.Generator
) -> tuple[list[Call], list[Tensor]]:
    """The calls of layers, and the gradient of each one's output, in its shape."""
    calls: list[Call] = []
    outputs: list[Tensor] = []

    def visit(call: Call) -> Tensor:
        calls.append(call)
        outputs.append(call.compute())
        if not outputs[-1].requires_grad:  # all parameters so far are frozen
            outputs[-1].requires_grad_()
        return outputs[-1].clone()  # later operators may overwrite it (`relu_`)

    with torch.enable_grad():
        with watching(network, graph, visit):
            logits = logits_of(network, images)
        chances = functional.softmax(logits.detach(), 1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator).squeeze(1).to(logits.device)
        loss = functional.cross_entropy(logits, drawn, reduction="sum")
        return calls, list(torch.autograd.grad(loss, outputs, materialize_grads=True))


def _scaled(factor: Tensor) -> Tensor:
    mean = factor.diagonal().mean()
    return factor / mean if float(mean) > 0 else torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
