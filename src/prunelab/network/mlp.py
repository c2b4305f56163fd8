"""The multilayer perceptron of the published report, with configurable sizes, bias, activation and initialisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from prunelab.network.arguments import accept_counts, refused

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

INITIALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "glorot_uniform": nn.init.xavier_uniform_,  # Glorot and Bengio 2010; the default of Keras
    "glorot_normal": nn.init.xavier_normal_,
    "he_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),  # He et al. 2015
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "torch": lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5),  # the default of nn.Linear
}


class MLP(nn.Sequential):
    """Linear layers with an activation between them: [n, channels, rows, columns] -> logits [n, classes].

    Raises:
        ConfigError: for an unknown activation or initialisation, or invalid layer sizes.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        hidden: Sequence[int],
        bias: bool,
        activation: str,
        initialisation: str,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise refused("activation", activation, ", ".join(ACTIVATIONS))
        if initialisation not in INITIALISATIONS:
            raise refused("initialisation", initialisation, ", ".join(INITIALISATIONS))
        accept_counts("hidden", hidden)
        if type(bias) is not bool:
            raise refused("bias", bias, "true or false")
        sizes = [features, *hidden, classes]
        layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            linear = nn.Linear(inputs, outputs, bias=bias)
            INITIALISATIONS[initialisation](linear.weight)
            if bias:
                nn.init.zeros_(linear.bias)
            last = number == len(sizes) - 1
            layers["output" if last else f"hidden_{number}"] = linear
            if not last:
                layers[f"activation_{number}"] = ACTIVATIONS[activation]()
        super().__init__(OrderedDict(layers))
