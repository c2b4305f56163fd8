"""Portable arithmetic gives one set of digits, for any number of threads and both makers of processors.

There is one processor here. On an AMD MKL can be made to take the kernels that it has for Intel's (a few functions of
its own are replaced when it is loaded), so that both kinds are run; on an Intel it cannot be made to take AMD's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from prunelab.arithmetic.environment import CHOICE, PORTABLE, has_avx2

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(not has_avx2(), reason="portable arithmetic is there on x86-64 with AVX2")


def computed(threads: int, **environment: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in (*PORTABLE, CHOICE)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.arithmetic.operations", str(threads)],
        cwd=HERE.parents[1],
        env={**clean, "OMP_WAIT_POLICY": "PASSIVE", **environment},
        text=True,
        capture_output=True,
        check=True,
    )
    return dict(line.rsplit(";", 1) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def one() -> dict[str, str]:
    return computed(1)


@pytest.mark.parametrize("threads", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_the_digits_are_those_that_other_machines_computed(threads: int) -> None:
    if not version("torch").startswith("2.15.0"):
        pytest.skip("the digests are those of torch 2.15.0")
    recorded = dict(line.rsplit(";", 1) for line in (HERE / "digests.csv").read_text().splitlines()[1:])
    assert {name: digest for name, digest in computed(threads).items() if name != "arithmetic"} == recorded


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_digits(one: dict[str, str], threads: int) -> None:
    assert one["arithmetic"] == "portable"
    assert len(one) > 400
    assert computed(threads) == one


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_the_kernels_for_both_makers_give_the_same_digits(one: dict[str, str], tmp_path: Path, threads: int) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or "AuthenticAMD" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("it takes an AMD processor and a C compiler")
    library = tmp_path / "intel.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "vendors.c"], check=True)
    assert computed(threads, LD_PRELOAD=str(library)) == one


@pytest.mark.slow
def test_native_arithmetic_is_another(one: dict[str, str]) -> None:
    """Were it not, nothing here would be tested."""
    native = computed(1, **{CHOICE: "native"})
    assert native["arithmetic"] == "native"
    assert native["log"] != one["log"]
