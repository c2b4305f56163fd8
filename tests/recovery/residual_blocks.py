"""A network with residual connections, with and without a projection, and BatchNorm."""

from __future__ import annotations

from tests.small import randomise
from torch import Tensor, nn


class Blocks(nn.Module):
    """Images [n, 3, 6, 6]: a stem, a residual block with a projection, one without, and a linear layer.

    `later`: the projection is called after the branch, as in most networks. `affine`: of the BatchNorm layers.
    """

    def __init__(self, later: bool = True, affine: bool = True) -> None:
        super().__init__()
        self.later = later
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, affine=affine)
        self.one, self.norm1 = nn.Conv2d(8, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10, affine=affine)
        self.two, self.norm2 = nn.Conv2d(10, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12, affine=affine)
        self.project, self.norm3 = nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12, affine=affine)
        self.three, self.norm4 = nn.Conv2d(12, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10, affine=affine)
        self.four, self.norm5 = nn.Conv2d(10, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12, affine=affine)
        self.output = nn.Linear(12, 4)
        randomise(self)

    def sums(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What goes into the ReLU after each block."""
        stream = self.norm(self.stem(images)).relu()
        if self.later:
            branch = self.norm2(self.two(self.norm1(self.one(stream)).relu()))
            first = branch + self.norm3(self.project(stream))
        else:
            shortcut = self.norm3(self.project(stream))
            first = shortcut + self.norm2(self.two(self.norm1(self.one(stream)).relu()))
        stream = first.relu()
        return first, self.norm5(self.four(self.norm4(self.three(stream)).relu())) + stream

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.sums(images)[1].relu().mean((2, 3)))
        return logits
