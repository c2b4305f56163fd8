"""A small VGG (Simonyan and Zisserman 2015) with batch normalisation and global average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from prunelab.network.arguments import accept_counts, refused
from prunelab.network.convolution import convolution


class VGGSmall(nn.Module):
    """Blocks of 3x3 convolutions with 2x2 pooling between them: [n, channels, rows, columns] -> logits [n, classes].

    `widths`: for each block, the channels of its convolutions. Layers are named as in the paper: `conv2_1` is the first
    convolution of the second block.

    Raises:
        ConfigError: for invalid widths, or more blocks than the size of the images allows.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, widths: Sequence[Sequence[int]]) -> None:
        super().__init__()
        if not isinstance(widths, list | tuple) or not widths:
            raise refused("widths", widths, "a list of blocks, each a list of whole numbers, each at least 1")
        halvings = min(shape[1:]).bit_length() - 1
        if len(widths) > halvings + 1:
            raise refused("widths", widths, f"at most {halvings + 1} blocks for images of {shape[1]}x{shape[2]}")
        self.features = nn.Sequential()
        inputs = shape[0]
        for block, channels in enumerate(widths, start=1):
            accept_counts(f"widths[{block - 1}]", channels)
            if block > 1:
                self.features.add_module(f"pool{block - 1}", nn.MaxPool2d(2))
            for number, outputs in enumerate(channels, start=1):
                name = f"{block}_{number}"
                self.features.add_module(f"conv{name}", convolution(inputs, outputs, 3))
                self.features.add_module(f"norm{name}", nn.BatchNorm2d(outputs))
                self.features.add_module(f"relu{name}", nn.ReLU())
                inputs = outputs
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        return cast(Tensor, self.classifier(torch.flatten(self.pool(self.features(images)), 1)))
