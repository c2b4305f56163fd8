"""torch.compile, where there is a C++ compiler for it to use."""

from __future__ import annotations

import os
import shutil
from functools import cache
from types import FunctionType

import torch
from torch import Tensor, nn

from prunelab.graph.trace import first_line
from prunelab.network.chain import Operator

COMPILERS = ("g++", "clang++", "c++")
MOST_SIZES = 8
"""Batch sizes: torch compiles a function anew for this many shapes, then gives up."""


def lacking() -> str | None:
    """Why torch.compile cannot be used, in words; None if it can. The first call takes some seconds."""
    if not os.environ.get("CXX") and not any(shutil.which(name) for name in COMPILERS):
        return f"torch.compile needs a C++ compiler ({', '.join(COMPILERS)}, or the variable CXX)"
    return _failure()


@cache
def _failure() -> str | None:
    """What goes wrong when something small is compiled, for instance missing Python headers."""
    try:
        torch.compile(lambda given: given.cos() + 1, fullgraph=True)(torch.zeros(4))
    except Exception as error:  # of the compiler, torch or the system
        return f"torch.compile does not work here: {first_line(error)}"
    return None


def compiled(network: nn.Module) -> Operator:
    """The network, compiled again for each batch size; the first call with a size takes seconds.

    A network that cannot be compiled as a whole raises; no part of it is run in eager mode instead.
    """

    def run(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        return logits

    # torch counts how often a code object was compiled, and gives up: each network gets a code object of its own.
    own = FunctionType(run.__code__.replace(), run.__globals__, run.__name__, closure=run.__closure__)
    return torch.compile(own, dynamic=False, fullgraph=True)
