"""Overheads of Lightning that training avoids, and what each one costs.

MEASURED
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.profilers import PassThroughProfiler

NOTHING = nullcontext()


class LeanModule(LightningModule):
    """A module that stores the name of the current hook as a plain attribute.

    Lightning assigns it some thirty times a step, each time through the slow `__setattr__` of `nn.Module`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


class LeanCheckpoint(ModelCheckpoint):
    """A checkpoint callback with a constant `state_key`.

    Lightning asks for the key six times a step; by default it is formatted from all settings each time.
    """

    @property
    def state_key(self) -> str:
        """Any constant will do, since a training has only one checkpoint callback."""
        return "best"


class NoProfiler(PassThroughProfiler):
    """A profiler that does nothing.

    Lightning enters it some twenty times a step; its own one creates a generator each time.
    """

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """An empty context."""
        return NOTHING


def avoid_process_overheads() -> None:
    """Turn off two settings of Lightning's for this process, neither of which changes a result."""
    # Deterministic mode fills all new memory before it is used. No operator used here reads unwritten memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Lightning makes torch look for GPUs through NVML. Adam looks at every step, and without a GPU loads the missing
    # library each time.
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
