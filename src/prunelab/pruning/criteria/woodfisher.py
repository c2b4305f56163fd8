"""WoodFisher (Singh and Alistarh 2020): optimal brain surgeon with a block-diagonal empirical Fisher matrix.

Removing w_j increases the loss by w_j^2 / (2 [F^-1]_jj), after the other weights of its block have compensated for it.
F is the mean of g g' over gradients g of the loss on small batches, in blocks of consecutive weights. Singh and
Alistarh update F^-1 gradient by gradient (Woodbury identity). Blocks this small are inverted directly, with the same
result.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.graph import Graph
from prunelab.pruning.calibration import Calibration, logits_of

BLOCK = 32
"""Weights in a block."""
GRADIENTS = 256
"""Largest number of batches; each gives one gradient."""
AT_ONCE = 32
"""Gradients held in memory at a time."""
DAMPING = 1e-2
"""Added to the diagonal of F, relative to its mean over the layer, plus 1e-10."""


def woodfisher(network: nn.Module, graph: Graph, calibration: Calibration) -> dict[str, Tensor]:
    """w^2 / (2 [F^-1]_jj), with F in blocks of `BLOCK` weights of a layer in storage order."""
    parameters = dict(network.named_parameters())
    weights = {layer.weight: parameters[layer.weight] for layer in graph.prunable}
    fisher = {
        name: weight.new_zeros(-(-weight.numel() // BLOCK), BLOCK, BLOCK, requires_grad=False)
        for name, weight in weights.items()
    }
    held: list[tuple[Tensor, ...]] = []
    count = 0
    size = max(1, -(-len(calibration) // GRADIENTS))
    for images, labels in calibration.labelled(graph):
        for some, wanted in zip(torch.split(images, size), torch.split(labels, size), strict=True):
            with torch.enable_grad():
                loss = functional.cross_entropy(logits_of(network, some), wanted)
                held.append(torch.autograd.grad(loss, list(weights.values())))
            count += 1
            if len(held) == AT_ONCE:
                _add(fisher, held)
                held = []
    _add(fisher, held)
    return {name: _saliency(weights[name].detach(), total / count) for name, total in fisher.items()}


@torch.no_grad()
def _add(fisher: dict[str, Tensor], gradients: list[tuple[Tensor, ...]]) -> None:
    """Add the outer products of the gradients, within blocks, to `fisher`."""
    for total, every in zip(fisher.values(), zip(*gradients, strict=True), strict=False):
        blocks = torch.stack([_blocks(gradient) for gradient in every], 1)  # [blocks, gradients, BLOCK]
        total.baddbmm_(blocks.mT, blocks)


@torch.no_grad()
def _saliency(weight: Tensor, fisher: Tensor) -> Tensor:
    diagonal = fisher.diagonal(dim1=1, dim2=2)
    diagonal.add_(DAMPING * diagonal.sum() / weight.numel() + 1e-10)
    inverse = torch.empty_like(diagonal)
    for own, some in zip(torch.split(inverse, 4096), torch.split(fisher, 4096), strict=True):
        own.copy_(torch.cholesky_inverse(torch.linalg.cholesky(some.double())).diagonal(dim1=1, dim2=2))
    found = _blocks(weight).square() / (2 * inverse)
    return found.flatten()[: weight.numel()].view_as(weight)


def _blocks(values: Tensor) -> Tensor:
    """The values as [blocks, BLOCK], padded with zeros."""
    return functional.pad(values.flatten(), (0, -values.numel() % BLOCK)).view(-1, BLOCK)
