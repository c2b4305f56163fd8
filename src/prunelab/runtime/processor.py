"""Which int8 instructions the processor has: without them an int8 network is smaller, but rarely faster."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FAST_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Linux's names of the instructions that add int8 products up in int32 in one step: x86, then ARM."""
CPUINFO = Path("/proc/cpuinfo")


@cache
def int8_instructions() -> tuple[str, ...] | None:
    """Those of `FAST_INT8` that the processor has; None where the system does not say."""
    try:
        lines = CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.partition(":")[0].strip() in ("flags", "Features")), None)
    if found is None:
        return None
    flags = set(found.partition(":")[2].split())
    return tuple(name for name in FAST_INT8 if name in flags)


def about_int8() -> str:
    """The same in words, to go beside a time."""
    found = int8_instructions()
    if found is None:
        return "whether the processor has int8 instructions is not known"
    if found:
        return f"the processor has {', '.join(found)}"
    return f"the processor has no fast int8 (none of {', '.join(FAST_INT8)})"
