"""Where tensors live: the processor's memory, or a CUDA device's."""

from __future__ import annotations

import os
from functools import cache

import torch

from prunelab.config import Trainer
from prunelab.errors import ConfigError

CPU = torch.device("cpu")


def device_of(trainer: Trainer) -> torch.device:
    """The device that a config asks for.

    Raises:
        ConfigError: if it asks for a GPU and there is none.
    """
    if trainer.accelerator == "cpu":
        return CPU
    if not torch.cuda.is_available():
        raise ConfigError(
            "trainer.accelerator=gpu is refused: torch sees no CUDA device on this machine; it accepts cpu"
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic products need, before the first
    return torch.device("cuda")


@cache
def has_bf16() -> bool:
    """Whether this processor multiplies bf16 in hardware (AVX-512 BF16 or AMX); elsewhere it is slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())
