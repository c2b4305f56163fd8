"""Overheads of Lightning that training avoids, and what each one costs.

Seen with Lightning 2.6.6 and torch 2.15.0. Times are those of one core (AMD EPYC), the shortest of several runs; a
training step of the published report's network takes 8.8 ms in float32 (docs/performance.md).

| overhead | ms a step | how measured |
| --- | ---: | --- |
| looking for a GPU through NVML | 0.6 to 0.8 | CPU time of 474 steps of `mlp_small`, twice; 1.5 ms a step without it |
| filling new memory | 0.2 | 6 µs for [128, 1000] in cache; a step allocates some 4 million numbers |

Left in, because each costs less than 1% of a step: `nn.Module.__setattr__` for the name of the current hook (43 calls,
0.05 ms), the profiler's contexts (24, 0.02 ms), and the checkpoint's `state_key` (6, 0.01 ms).
"""

from __future__ import annotations

import os

import torch


def avoid_overheads() -> None:
    """Turn off two settings of Lightning's for this process; results do not change."""
    # Adam asks in every step whether there is a GPU. Lightning makes torch ask NVML, whose library is then looked for
    # each time on a machine that lacks it.
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    # Deterministic mode fills all new memory before it is used. No operator used here reads unwritten memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
