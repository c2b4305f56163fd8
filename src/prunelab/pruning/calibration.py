"""Calibration images: the training images that criteria and recoveries use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.data.dataset import Split
from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph

MEMORY = 2**27
"""Largest size in bytes of one operator's output for a batch; if gradients are needed, of all outputs together."""
FEWEST = 16
"""Smallest batch, whatever the memory."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration images, drawn from the training images only.

    `images`: float32 [n, channels, rows, columns]. `labels`: int64 [n], or None, in which case criteria that use the
    loss are refused. `seed`: also drives random criteria and the sampling of rows.
    """

    images: Tensor
    labels: Tensor | None
    seed: int

    def __len__(self) -> int:
        return len(self.images)

    def labelled(self, graph: Graph) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (images, labels), small enough to hold all activations for a backward pass.

        Raises:
            PrunelabError: if there are no labels.
        """
        if self.labels is None:
            raise PrunelabError("this criterion uses gradients of the loss: it needs labels=, an int64 tensor [n]")
        size = at_once(graph.stored)
        yield from zip(torch.split(self.images, size), torch.split(self.labels, size), strict=True)

    def first(self, graph: Graph) -> Calibration:
        """As many of the images as fit into one forward pass."""
        count = at_once(graph.largest)
        return replace(self, images=self.images[:count], labels=None if self.labels is None else self.labels[:count])


def at_once(numbers: int) -> int:
    """How many images fit into `MEMORY` if each takes `numbers` float32 values; at least `FEWEST`."""
    return max(FEWEST, MEMORY // (4 * max(numbers, 1)))


def calibration(train: Split, images: int, seed: int) -> Calibration:
    """At most `images` training images drawn with `seed`."""
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:images]
    return Calibration(train.floats(chosen), train.labels[chosen.to(train.labels.device)], seed)


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """The network's outputs, checked to be logits [n, classes].

    Raises:
        PrunelabError: if they are not a tensor of two dimensions.
    """
    logits = network(images)
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        given = f"a tensor {list(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise PrunelabError(f"the network gives {given}: whatever uses the loss needs logits [n, classes]")
    return logits


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """KL divergence of the predictions from those that are wanted, both logits [n, classes]: the mean, in nats."""
    ours, theirs = functional.log_softmax(logits, dim=1), functional.log_softmax(wanted, dim=1)
    return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
