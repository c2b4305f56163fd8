"""The optimisers by their names in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from prunelab.choices import Optimizer
from prunelab.training.muon import Muon

OPTIMIZERS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    Optimizer.ADAM: partial(torch.optim.Adam, fused=True),  # Kingma and Ba 2015
    Optimizer.ADAMW: partial(torch.optim.AdamW, fused=True),  # Loshchilov and Hutter 2019
    Optimizer.SGD: partial(torch.optim.SGD, fused=True),
    Optimizer.MUON: Muon,
}
