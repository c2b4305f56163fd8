"""A program of one's own: portable if prunelab is imported first, told otherwise; torch is as it was afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from prunelab.arithmetic.environment import CHOICE, PORTABLE, has_avx2

PROGRAM = """
import {first}
import {second}
import torch
from torch import nn
network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
values = torch.linspace(0.1, 9, 1000)
before = values.log()
result = prunelab.prune(network, torch.rand(8, 16), recovery="least_squares")
assert torch.equal(values.log(), before), "torch's own functions are back"
print(result.arithmetic)
"""


def program(first: str, second: str, **environment: str) -> tuple[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in (*PORTABLE, CHOICE)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first, second=second)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not has_avx2(), reason="portable arithmetic is there on x86-64 with AVX2")
def test_whoever_imports_torch_first_is_told_that_the_digits_are_this_machines() -> None:
    warning = "torch or numpy was imported before prunelab"
    arithmetic, said = program("prunelab", "torch")
    assert (arithmetic, warning in said) == ("portable", False)
    arithmetic, said = program("torch", "prunelab")
    assert (arithmetic, warning in said) == ("native", True)
    arithmetic, said = program("torch", "prunelab", **{CHOICE: "native"})
    assert (arithmetic, warning in said) == ("native", False)
