"""torch.compile, where there is a C++ compiler for it to use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from types import FunctionType

import torch
from torch import Tensor, nn

from prunelab.graph.trace import first_line

COMPILERS = ("g++", "clang++", "c++")
MOST_SIZES = 8
"""Batch sizes; torch compiles a function anew for so many shapes, then gives up."""


def lacking() -> str | None:
    """Why torch.compile cannot be used, in words; None where it can. The first question takes some seconds."""
    if not os.environ.get("CXX") and not any(shutil.which(name) for name in COMPILERS):
        return f"torch.compile needs a C++ compiler ({', '.join(COMPILERS)}, or the variable CXX)"
    return _failure()


@cache
def _failure() -> str | None:
    """What goes wrong when something small is compiled, such as Python's headers missing."""
    try:
        torch.compile(lambda given: given.cos() + 1, fullgraph=True)(torch.zeros(4))
    except Exception as error:  # of the compiler, of torch's own kinds, of the system
        return f"torch.compile does not work here: {first_line(error)}"
    return None


def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network compiled for each size of batch anew; the first call with one takes seconds.

    Whole or not at all: what cannot be compiled raises and is not run in eager mode instead.
    """

    def run(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        return logits

    # torch counts how often the code of a function was compiled, and gives up. Each network has a code of its own.
    own = FunctionType(run.__code__.replace(), run.__globals__, run.__name__, closure=run.__closure__)
    return torch.compile(own, dynamic=False, fullgraph=True)
