"""The device that tensors are on: the CPU, or a CUDA device."""

from __future__ import annotations

import os

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


def has_bf16(trainer: Trainer) -> bool:
    """Whether the device computes bf16 in hardware (a CPU: AVX-512 BF16); elsewhere float32 is faster."""
    if trainer.accelerator == "gpu":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported())
