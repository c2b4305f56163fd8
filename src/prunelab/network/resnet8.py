"""ResNet-8: the residual network for small images of He, Zhang, Ren and Sun 2016 (section 4.2) with n = 1."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.network.arguments import accept_counts
from prunelab.network.convolution import convolution


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution if the shape changes.

    [n, inputs, rows, columns] -> [n, outputs, rows / stride, columns / stride], rounded up.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution(outputs, outputs, 3)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = convolution(inputs, outputs, 1, stride)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=nn.BatchNorm2d(outputs)))

    def forward(self, maps: Tensor) -> Tensor:
        """The block's output, with ReLU after the addition."""
        inner = functional.relu(self.norm1(self.conv1(maps)))
        return functional.relu(self.norm2(self.conv2(inner)) + self.shortcut(maps))


class ResNet8(nn.Module):
    """A convolution and three stages of one basic block: [n, channels, rows, columns] -> logits [n, classes].

    `widths`: the channels of each stage; the second and the third halve rows and columns.

    Raises:
        ConfigError: for invalid widths.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        accept_counts("widths", widths, 3)
        self.conv1 = convolution(shape[0], widths[0], 3)
        self.norm1 = nn.BatchNorm2d(widths[0])
        self.stage1 = BasicBlock(widths[0], widths[0], stride=1)
        self.stage2 = BasicBlock(widths[0], widths[1], stride=2)
        self.stage3 = BasicBlock(widths[1], widths[2], stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[2], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        maps = functional.relu(self.norm1(self.conv1(images)))
        maps = self.stage3(self.stage2(self.stage1(maps)))
        return cast(Tensor, self.classifier(torch.flatten(self.pool(maps), 1)))
