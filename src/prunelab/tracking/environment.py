"""What a result was obtained with: commit, versions, machine, process."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from prunelab import names

PACKAGES = (
    "prunelab",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "mlflow",
    "numpy",
    "scikit-learn",
)


@cache
def git_state() -> tuple[str, bool] | None:
    """(commit, whether the tree differs from it) of the checkout this code runs from; None for an installed package."""
    try:
        return _git("rev-parse", "HEAD"), bool(_git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def versions() -> dict[str, str]:
    """Version of each package that can change a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def machine() -> dict[str, str | int]:
    """The kind of machine, without its name: processor, cores, memory (GiB), system, GPU, torch's threads."""
    import torch  # takes seconds, which commands that only read the store do not need

    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch_threads": torch.get_num_threads(),
    }


def provenance(config: str) -> dict[str, str]:
    """Artifacts that say what was run and with what: the resolved config, package versions, the kind of machine."""
    environment = {"versions": versions(), "machine": machine()}
    return {names.CONFIG_FILE: config, names.ENVIRONMENT_FILE: json.dumps(environment, indent=2)}


@cache
def process() -> dict[str, str]:
    """Tags that tell later whether the process that owns a run is still there."""
    own = psutil.Process()
    found = {
        "process.host": socket.gethostname(),
        "process.pid": str(own.pid),
        "process.started": f"{own.create_time():.2f}",
    }
    array, task, job = map(os.environ.get, ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID"))
    if job:
        found[names.SLURM_JOB] = f"{array}_{task}" if array and task else job
    return found


def is_gone(tags: dict[str, str]) -> bool:
    """Whether the process that `process()` described has ended (so has a zombie); on another machine, never known."""
    if tags.get("process.host") != socket.gethostname():
        return False
    try:
        other = psutil.Process(int(tags["process.pid"]))
        replaced = abs(other.create_time() - float(tags["process.started"])) > 1.0
        return replaced or other.status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return True


@cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
