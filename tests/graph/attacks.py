"""Networks on vectors [n, 16] built to mislead: each was, or could be, analysed wrongly without a word."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations


class Plain(nn.Module):
    """A hidden layer of 16 inputs and `width` outputs, whatever `between` does to it, and an output layer."""

    def __init__(self, width: int = 8, read: int = 8) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(16, width), nn.Linear(read, 4)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.between(self.first(images).sigmoid()))
        return logits


class FixedProjection(Plain):
    """A layer whose weight is a buffer, which no mask reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fixed", torch.randn(8, 8))

    def between(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.fixed).sigmoid()


class WidthOfOne(Plain):
    """One neuron, spread over the width that the next layer was made for."""

    def __init__(self) -> None:
        super().__init__(width=1)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden.expand(-1, 8)


class BothWays(Plain):
    """One weight, applied as it is and transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))

    def between(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.weight).sigmoid() @ self.weight


class ReadAsData(Plain):
    """The weight of a layer is also added up."""

    def between(self, hidden: Tensor) -> Tensor:
        return hidden + self.output.weight.square().mean()


class DividedByParameter(Plain):
    """Masked, it would divide by zero."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(8) + 1)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden / self.scale


class Centred(Plain):
    """A mean of each neuron, kept in a buffer, is subtracted."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(8))

    def between(self, hidden: Tensor) -> Tensor:
        return hidden - self.mean


class PlainConstant(Plain):
    """A tensor that is neither parameter nor buffer, with a number for each neuron."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(8)

    def between(self, hidden: Tensor) -> Tensor:
        return hidden * self.scale


class Alias(Plain):
    """A parameter is used through a list that torch knows nothing of."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.weights = [self.inner.weight]

    def between(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.weights[0], self.inner.bias).sigmoid()


class InList(Plain):
    """Weights in a ParameterList, without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(6, 8), torch.randn(8, 6)])

    def between(self, hidden: Tensor) -> Tensor:
        return functional.linear(functional.linear(hidden, self.weights[0]).sigmoid(), self.weights[1])


class OverwrittenThroughView(nn.Module):
    """What a layer gives is added to a view of a tensor that is read later."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(16, 8), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images)
        hidden.view(len(images), -1).add_(self.second(images).sigmoid())
        logits: Tensor = self.output(hidden)
        return logits


class SecondOfTwoNames(Plain):
    """Two modules share a weight; the one that is registered first is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.unused, self.used = nn.Linear(8, 8), nn.Linear(8, 8)
        self.used.weight = self.unused.weight

    def between(self, hidden: Tensor) -> Tensor:
        return self.used(hidden).sigmoid()


class Paired(nn.Module):
    """Stacked, flipped, repeated and joined with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(16, 6), nn.Linear(16, 6), nn.Linear(24, 4)

    def forward(self, images: Tensor) -> Tensor:
        one, other = self.first(images).sigmoid(), self.second(images)
        both = torch.stack([one, other], dim=1).sum(1)
        logits: Tensor = self.output(torch.cat([both.flip(1), both.repeat(1, 2), torch.maximum(one, other)], dim=1))
        return logits


class WeightNorm(Plain):
    """The weight is computed from a direction and a length."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = parametrizations.weight_norm(nn.Linear(8, 8))

    def between(self, hidden: Tensor) -> Tensor:
        return self.inner(hidden).sigmoid()


class Recurrent(Plain):
    """A layer whose weights are inside an operator that is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.GRU(8, 8, batch_first=True)

    def between(self, hidden: Tensor) -> Tensor:
        outputs: Tensor = self.inner(hidden.unsqueeze(1).expand(-1, 3, -1))[0][:, -1]
        return outputs


class ReadsAll(Plain):
    """What reads all channels at once, or by their place: `how` names it."""

    HOWS = (
        "softmax",
        "normalize",
        "pool",
        "channel mean",
        "glu",
        "where",
        "index",
        "roll",
        "cumsum",
        "einsum",
        "groups",
    )

    def __init__(self, how: str) -> None:
        super().__init__(read=4 if how in ("glu", "pool") else 8)
        self.how, self.group_norm = how, nn.GroupNorm(2, 8)

    def between(self, hidden: Tensor) -> Tensor:
        given: Tensor = {
            "softmax": lambda: hidden.softmax(1),
            "normalize": lambda: functional.normalize(hidden),
            "pool": lambda: functional.avg_pool1d(hidden, 2),
            "channel mean": lambda: hidden * hidden.mean(1, keepdim=True),
            "glu": lambda: functional.glu(hidden),
            "where": lambda: torch.where(hidden > 0.5, hidden, 0.1 * hidden),
            "index": lambda: hidden[:, [3, 1, 2, 0, 7, 6, 5, 4]],
            "roll": lambda: hidden.roll(1, 1),
            "cumsum": lambda: hidden.cumsum(1),
            "einsum": lambda: torch.einsum("nc,nd->nd", hidden, hidden),
            "groups": lambda: self.group_norm(hidden),
        }[self.how]()
        return given
