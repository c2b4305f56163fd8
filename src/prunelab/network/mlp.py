"""The multilayer perceptron of the published report, with every choice it makes open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from prunelab.errors import ConfigError

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
    "torch": lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5),  # what nn.Linear does by itself
}


class MLP(nn.Sequential):
    """Linear layers with an activation between them: [n, channels, rows, columns] -> logits [n, classes].

    Raises:
        ConfigError: for an activation, an initialisation or a layer size that does not exist.
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
        _accept("model.activation", activation, ACTIVATIONS)
        _accept("model.initialisation", initialisation, INITIALISATIONS)
        if not hidden or any(type(n) is not int or n < 1 for n in hidden):
            raise ConfigError(f"model.hidden={hidden} is refused: it accepts a list of whole numbers, each at least 1")
        if type(bias) is not bool:
            raise ConfigError(f"model.bias={bias} is refused: it accepts true or false")
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


def _accept(key: str, value: str, accepted: Mapping[str, object]) -> None:
    if value not in accepted:
        raise ConfigError(f"{key}={value} is refused: it accepts {', '.join(accepted)}")
