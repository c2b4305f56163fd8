"""torch.compile, where there is a C++ compiler for it to use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import torch
from torch import Tensor, nn

COMPILERS = ("g++", "clang++", "c++")


def lacking() -> str | None:
    """Why torch.compile cannot be used, in words; None where it can."""
    if os.environ.get("CXX") or any(shutil.which(name) for name in COMPILERS):
        return None
    return f"torch.compile needs a C++ compiler ({', '.join(COMPILERS)}, or the variable CXX)"


def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network compiled for each size of batch anew; the first call with one takes seconds."""
    run: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False)
    return run
