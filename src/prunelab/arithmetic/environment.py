"""Environment variables that fix the arithmetic of the numerical libraries, which read them when they are loaded.

`prunelab` imports this module before torch and numpy, so that every process of a sweep (workers of joblib, Ray and
Slurm included) computes in the same way. It imports nothing heavy.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path

CHOICE = "PRUNELAB_ARITHMETIC"
"""The environment variable that selects the arithmetic of a process and its children."""

PORTABLE: Mapping[str, str] = {
    "MKL_CBWR": "AVX2,STRICT",  # matrix products: one order of summation for all numbers of threads (on Intel)
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    "OPENBLAS_CORETYPE": "Haswell",  # numpy's and scipy's linear algebra
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy's functions
}
"""Settings that limit every library to AVX2 instructions."""


class Arithmetic(str, Enum):
    """`portable`: the same digits on every x86-64 processor with AVX2; `native`: this machine's fastest."""

    PORTABLE = "portable"
    NATIVE = "native"


def prepare() -> None:
    """Set the environment for portable arithmetic, unless `PRUNELAB_ARITHMETIC=native` or torch or numpy is loaded."""
    if chosen() is Arithmetic.PORTABLE and has_avx2() and not _is_set() and not _loaded():
        os.environ.update(PORTABLE)
    globals()["_effective"] = chosen() is Arithmetic.PORTABLE and _is_set()


def choose(arithmetic: str) -> None:
    """Set the environment for the configured arithmetic; has no effect once torch or numpy is loaded."""
    if arithmetic in list(Arithmetic) and arithmetic != chosen() and not _loaded():
        for name, value in PORTABLE.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        os.environ[CHOICE] = Arithmetic(arithmetic).value
        prepare()


def chosen() -> Arithmetic:
    """The arithmetic that the environment asks for."""
    native = os.environ.get(CHOICE, "").lower() == Arithmetic.NATIVE.value
    return Arithmetic.NATIVE if native else Arithmetic.PORTABLE


def effective() -> Arithmetic:
    """The arithmetic of this process, fixed when torch was loaded."""
    return Arithmetic.PORTABLE if _effective else Arithmetic.NATIVE


@cache
def has_avx2() -> bool:
    """Whether this is an x86-64 processor with AVX2 and FMA."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    info = Path("/proc/cpuinfo")
    if not info.is_file():  # macOS and Windows on Intel: torch tells
        return False
    flags = next((line for line in info.read_text().splitlines() if line.startswith("flags")), "").split()
    return "avx2" in flags and "fma" in flags


def _loaded() -> bool:
    return "torch" in sys.modules or "numpy" in sys.modules


def _is_set() -> bool:
    return all(os.environ.get(name) == value for name, value in PORTABLE.items())


_effective = False
