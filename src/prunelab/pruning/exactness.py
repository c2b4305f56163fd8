"""Check, for every job and before anything is recorded, that the compacted network gives the masked one's outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunelab.errors import NetworkError
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.masks import masked, unit_mask
from prunelab.graph.surgery import runnable, smaller
from prunelab.graph.trace import on_cpu
from prunelab.pruning.compaction import Compacted
from prunelab.pruning.prune import Pruned

IMAGES = 8
"""Images used for the comparison."""


@torch.no_grad()
def checked(pruned: Pruned, small: Compacted, images: Tensor) -> float:
    """The largest relative difference between the outputs of the compacted and the masked network.

    `images`: [n, ...], of which the first `IMAGES` are used.

    Raises:
        NetworkError: if the difference is more than rounding, naming the layers that cause it.
    """
    images = images[:IMAGES].cpu()
    network = on_cpu(pruned.network.eval())
    error = difference(on_cpu(small.network.eval())(images), network(images))
    if is_exact(error):
        return error
    names = _culprits(network, pruned, small.kept, images)
    raise NetworkError(
        f"the compacted network's outputs differ from the masked one's by {error:.1e} (relative): nothing is recorded. "
        f"The difference arises at {', '.join(names) or 'no single layer'}; method.exclude leaves layers whole"
    )


def _culprits(network: nn.Module, pruned: Pruned, kept: Tensor, images: Tensor) -> list[str]:
    """The groups, by layer, whose units alone cannot be removed without a difference."""
    names = []
    for group in pruned.graph.groups:
        alone = torch.ones_like(kept)
        alone[group.units] = kept[group.units]
        if not bool(alone.all()):
            alone = runnable(pruned.graph, alone)
            expected = masked(network, unit_mask(pruned.graph, alone))(images)
            if not is_exact(difference(smaller(network, pruned.graph, alone)(images), expected)):
                names.append(group.name)
    return names
