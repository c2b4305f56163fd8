"""Switch a process to the arithmetic of a job."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from prunelab.arithmetic import kernels
from prunelab.arithmetic.environment import CHOICE, Arithmetic, chosen, effective, has_avx2
from prunelab.errors import ConfigError


def ready(arithmetic: Arithmetic, gpu: bool = False) -> None:
    """Switch this process to the configured arithmetic; does nothing for a job on a GPU.

    Raises:
        ConfigError: if this process has loaded its libraries with other settings.
    """
    if gpu:
        return
    if arithmetic is not effective():
        raise ConfigError(
            f"trainer.arithmetic={arithmetic.value} is refused in a process whose arithmetic is {effective().value}. "
            f"Arithmetic is fixed per process and shared by all jobs of a sweep: start with the environment variable "
            f"{CHOICE}={arithmetic.value}, and import prunelab before torch and numpy"
        )
    if arithmetic is Arithmetic.PORTABLE:
        kernels.install()
    else:
        kernels.remove()


@contextmanager
def arithmetic_for_a_while() -> Iterator[Arithmetic]:
    """Use portable arithmetic within the block if this process can, and restore torch's operators afterwards.

    Warns if it cannot only because torch or numpy was imported before prunelab.
    """
    if effective() is not chosen() and has_avx2():
        warnings.warn(
            "torch or numpy was imported before prunelab: the last digits of results depend on this machine. Import "
            f"prunelab first for the same digits on every x86-64 machine with AVX2, or set {CHOICE}=native to accept "
            "this and silence the warning",
            stacklevel=4,
        )
    installed = effective() is Arithmetic.PORTABLE and kernels.install()
    try:
        yield effective()
    finally:
        if installed:
            kernels.remove()


@contextmanager
def torchs_own_operators() -> Iterator[None]:
    """Use torch's own operators within the block, for timing: a deployed network does not use the replacements."""
    installed = kernels.remove()
    try:
        yield
    finally:
        if installed:
            kernels.install()
