"""Memory for large tensors, in processes of their own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

FILL = """
import resource
import prunelab, torch
for _ in range(4):
    torch.ones(2**24)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
PAGES = 4 * 2**26 // resource.getpagesize()
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def faults(**environment: str) -> int:
    """Pages that the kernel handed out one by one, those of the imports included."""
    inherited = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    found = subprocess.run(
        [sys.executable, "-c", FILL], check=True, capture_output=True, text=True, env=inherited | environment
    )
    return int(found.stdout)


@pytest.mark.slow
@pytest.mark.skipif(
    not SETTING.is_file() or "[madvise]" not in SETTING.read_text(), reason="Linux decides about large pages itself"
)
def test_large_tensors_come_in_large_pages_unless_the_environment_says_otherwise() -> None:
    assert faults(THP_MEM_ALLOC_ENABLE="0") - faults() > 0.8 * PAGES
