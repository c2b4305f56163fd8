"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) in its modern form, with ReLU and max pooling."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from prunelab.network.arguments import accept_counts, refused

KERNEL = 5


class LeNet5(nn.Module):
    """Two convolutions and three linear layers: [n, channels, rows, columns] -> logits [n, classes].

    Raises:
        ConfigError: for invalid widths or padding, or images too small for two convolutions.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        channels: Sequence[int],
        hidden: Sequence[int],
        padding: Sequence[int],
    ) -> None:
        super().__init__()
        accept_counts("channels", channels, 2)
        accept_counts("hidden", hidden, 2)
        is_list = isinstance(padding, list | tuple) and all(type(p) is int and 0 <= p < KERNEL for p in padding)
        if not is_list or len(padding) != 2:
            raise refused("padding", padding, f"a list of 2 whole numbers, each from 0 to {KERNEL - 1}")
        rows, columns = (_pooled(_pooled(size, padding[0]), padding[1]) for size in shape[1:])
        if min(rows, columns) < 1:
            raise refused(
                "padding",
                padding,
                f"images of at least 12x12 at [2, 0], or of 4x4 at [2, 2]; these are {shape[1]}x{shape[2]}",
            )
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(shape[0], channels[0], KERNEL, padding=padding[0]),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(channels[0], channels[1], KERNEL, padding=padding[1]),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(2),
            )
        )
        self.head = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(channels[1] * rows * columns, hidden[0]),
                relu1=nn.ReLU(),
                fc2=nn.Linear(hidden[0], hidden[1]),
                relu2=nn.ReLU(),
            )
        )
        self.classifier = nn.Linear(hidden[1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        positions = self.features(images)
        return cast(Tensor, self.classifier(self.head(torch.flatten(positions, 1))))


def _pooled(size: int, padding: int) -> int:
    """The rows (or columns) left of `size` after a convolution and its pooling."""
    return (size + 2 * padding - KERNEL + 1) // 2
