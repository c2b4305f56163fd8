"""Networks on maps [n, 1, 8, 8] built to mislead, as in `tests.graph.attacks`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TwoScales(nn.Module):
    """A convolution that is used at two sizes of maps, and one with a constant input at its border."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared, self.output = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        large = self.stem(images).sigmoid()
        small = functional.avg_pool2d(large, 2)
        logits: Tensor = self.output(self.shared(large).sigmoid().mean((2, 3)) + self.shared(small).mean((2, 3)))
        return logits


class GatedConstant(nn.Module):
    """A channel without inputs is constant, until a gate over positions meets it; for a black image it still is."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1)
        self.reader, self.output = nn.Conv2d(6, 5, 1), nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.stem(images).sigmoid() * self.gate(images)
        logits: Tensor = self.output(self.reader(hidden).sigmoid().mean((2, 3)))
        return logits


class Positions(nn.Module):
    """A number for each channel and position is added: a channel without inputs is constant, but not over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.position = nn.Conv2d(1, 6, 3, padding=1), nn.Parameter(torch.randn(6, 8, 8))
        self.reader, self.output = nn.Conv2d(6, 5, 1), nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.stem(images).sigmoid() + self.position
        logits: Tensor = self.output(self.reader(hidden).sigmoid().mean((2, 3)))
        return logits


class PaddedChannels(nn.Module):
    """The shortcut of the first residual networks: fewer rows and columns, channels of zeros beside the others."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.widen, self.output = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3, 2, padding=1), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.stem(images).sigmoid()
        shortcut = functional.pad(hidden[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        logits: Tensor = self.output((shortcut + self.widen(hidden)).mean((2, 3)))
        return logits


class EachAlone(nn.Module):
    """What treats each channel alone, though it looks otherwise: slopes, instance and batch statistics, upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.slopes = nn.Conv2d(1, 6, 3), nn.PReLU(6)
        self.instance = nn.InstanceNorm2d(6, affine=True)
        self.batch = nn.BatchNorm2d(6, track_running_stats=False)
        self.reader, self.output = nn.Conv2d(6, 5, 3, padding_mode="reflect", padding=1), nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.batch(self.instance(self.slopes(self.stem(images))))
        hidden = functional.interpolate(hidden, scale_factor=2, mode="bilinear")
        logits: Tensor = self.output(self.reader(hidden).sigmoid().amax((2, 3)))
        return logits
