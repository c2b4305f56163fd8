"""A small MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov and Chen 2018): inverted residuals, depthwise convolutions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from prunelab.network.arguments import accept_count, accept_counts, refused
from prunelab.network.convolution import convolution


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise convolution, 1x1 projection; with a shortcut if input and output shapes are equal.

    [n, inputs, rows, columns] -> [n, outputs, rows / stride, columns / stride], rounded up. `expand` and `depthwise`
    end with ReLU6, `project` is linear.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _layer(inputs, inner, 1)
        self.depthwise = _layer(inner, inner, 3, stride, groups=inner)
        self.project = _layer(inner, outputs, 1, rectified=False)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        """The block's output."""
        projected = cast(Tensor, self.project(self.depthwise(self.expand(maps))))
        return maps + projected if self.has_shortcut else projected


class MobileNetSmall(nn.Module):
    """A convolution, inverted residuals and a 1x1 convolution: [n, channels, rows, columns] -> logits [n, classes].

    `stem`: channels of the first convolution; `widths` and `strides`: of each block; `expansion`: how many times
    wider a block is inside; `last`: channels of the last convolution.

    Raises:
        ConfigError: for invalid widths, strides or expansion.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        stem: int,
        stem_stride: int,
        widths: Sequence[int],
        strides: Sequence[int],
        expansion: int,
        last: int,
    ) -> None:
        super().__init__()
        for key, value in {"stem": stem, "stem_stride": stem_stride, "expansion": expansion, "last": last}.items():
            accept_count(key, value)
        accept_counts("widths", widths)
        accept_counts("strides", strides)
        if len(strides) != len(widths):
            raise refused("strides", strides, f"as many numbers as model.widths has, {len(widths)}")
        self.stem = _layer(shape[0], stem, 3, stem_stride)
        self.blocks = nn.Sequential()
        inputs = stem
        for number, (outputs, stride) in enumerate(zip(widths, strides, strict=True), start=1):
            self.blocks.add_module(f"block{number}", InvertedResidual(inputs, outputs, stride, expansion))
            inputs = outputs
        self.last = _layer(inputs, last, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        maps = self.last(self.blocks(self.stem(images)))
        return cast(Tensor, self.classifier(torch.flatten(self.pool(maps), 1)))


def _layer(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, rectified: bool = True
) -> nn.Sequential:
    """A convolution, batch normalisation and, if `rectified`, ReLU6."""
    conv = convolution(inputs, outputs, kernel, stride, groups)
    layers = OrderedDict[str, nn.Module](conv=conv, norm=nn.BatchNorm2d(outputs))
    if rectified:
        layers["relu"] = nn.ReLU6()
    return nn.Sequential(layers)
