"""Networks that analysis has been, or could be, wrong about."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class EqualWidths(nn.Module):
    """A residual connection between layers of one width."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images)
        return self.output(hidden + torch.sigmoid(self.second(hidden)))


class OutOfOrder(nn.Module):
    """Layers registered in another order than they run, and one that never does."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.unused = nn.Linear(16, 4), nn.Linear(3, 3)
        self.second, self.first = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.second(self.first(images).tanh()).sigmoid())


class Twice(nn.Module):
    """A layer that reads what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.again, self.output = nn.Linear(16, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.again(self.again(self.embed(images).relu()).sigmoid()).relu())


class PartlyRead(nn.Module):
    """Neither the whole input nor a whole hidden layer is read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(10, 16), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.second(self.first(images[:, :10]).relu()[:, :8]).relu())


class SeveralOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.one, self.other = nn.Linear(16, 16), nn.Linear(16, 4), nn.Linear(16, 2)

    def forward(self, images: Tensor) -> dict[str, object]:
        hidden = self.body(images).relu()
        return {"one": self.one(hidden), "others": (self.other(hidden), hidden.sum())}


class HardCodedView(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.output = nn.Linear(8 * 64, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.second(self.first(images).relu()).relu().view(-1, 8 * 64))


class HardCodedSplit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(16, 16), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        one, other = torch.split(self.first(images), 8, dim=1)
        return self.output(one * other)


class Chunks(nn.Module):
    """A gated unit: halves of a layer, multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(16, 16), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        one, other = self.first(images).chunk(2, dim=1)
        return self.output(one * other.sigmoid())


class Shuffle(nn.Module):
    """Grouped convolutions with a channel shuffle between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 12, 3, groups=2), nn.Conv2d(12, 12, 3, groups=3)
        self.output = nn.Linear(12, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images).sigmoid()
        count, channels, rows, columns = hidden.shape
        hidden = hidden.view(count, 2, channels // 2, rows, columns).transpose(1, 2).reshape(count, -1, rows, columns)
        return self.output(self.second(hidden).relu().mean((2, 3)))


class Gates(nn.Module):
    """Squeeze and excite, a gate over positions, a depthwise convolution with two outputs a channel, a layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.where = nn.Conv2d(8, 1, 1)
        self.depthwise = nn.Conv2d(8, 16, 3, groups=8, padding=1)
        self.scale = nn.Parameter(torch.rand(16, 1, 1))
        self.output = nn.Conv2d(16, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.relu_(self.norm(self.stem(images)))
        hidden = hidden * torch.sigmoid(self.excite(self.squeeze(hidden.mean((2, 3), keepdim=True)).relu()))
        hidden = hidden * torch.sigmoid(self.where(hidden))
        return self.output(self.depthwise(hidden) * self.scale).amax((2, 3))


class Dense(nn.Module):
    """Channels joined one after another; pooled, flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(7, 6, 3, padding=1)
        self.third, self.output = nn.Linear(13 * 16, 10), nn.Linear(10, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.cat([images, self.first(images).tanh()], dim=1)
        hidden = torch.cat([hidden, self.second(hidden).sigmoid()], dim=1)
        return self.output(self.third(torch.flatten(functional.avg_pool2d(hidden, 2), 1)).exp())


class Transformer(nn.Module):
    """A class token, a position embedding, pre-norm attention, and a multilayer perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token = nn.Conv2d(1, 16, 4, stride=4), nn.Parameter(torch.rand(1, 1, 16))
        self.position = nn.Parameter(torch.rand(1, 5, 16))
        self.norm1, self.attention = nn.LayerNorm(16), nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(16), nn.Linear(16, 24), nn.Linear(24, 16)
        self.output = nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1) + self.position
        given = self.norm1(tokens)
        tokens = tokens + self.attention(given, given, given, need_weights=False)[0]
        tokens = tokens + self.fc2(functional.gelu(self.fc1(self.norm2(tokens))))
        return self.output(tokens[:, 0])


class Tied(nn.Module):
    """Two layers share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.other = nn.Linear(16, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.other.weight = self.one.weight
        self.output = nn.Linear(12, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.other(self.one(self.first(images).relu()).relu()).sigmoid())


class Upsampling(nn.Module):
    """A transposed convolution, and a division by an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 8, 2, stride=2), nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.below, self.output = nn.Conv2d(6, 6, 1), nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.up(self.down(images).relu()).sigmoid()
        return self.output((hidden / (1 + self.below(hidden).square())).mean((2, 3)))


class OverwrittenInput(nn.Module):
    """An input that is overwritten after a layer read it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images).relu_()
        more = self.second(hidden)
        hidden += more
        return self.output(hidden.relu_())


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 4)

    def forward(self, images: Tensor, more: Tensor) -> Tensor:
        return self.first(images + more)


class DependsOnValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images)
        return self.output(hidden if hidden.sum() > 0 else -hidden)
