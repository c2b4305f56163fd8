"""What a launcher's configuration means for a job: whether it runs alone, and how many threads it may use."""

from __future__ import annotations

import os
from typing import Any

from omegaconf import DictConfig, OmegaConf


def in_this_process(launcher: DictConfig) -> bool:
    """Whether jobs run one after the other in the sweep's own process (Hydra's basic launcher)."""
    return str(launcher["_target_"]).endswith("BasicLauncher")


def threads_per_job(launcher: DictConfig) -> int | None:
    """Torch threads of each job, so that jobs that run at once share the cores; None: all cores.

    It depends on the launcher's configuration alone, not on how many jobs are left, so that a resumed sweep computes
    the same.
    """
    settings: Any = OmegaConf.to_container(launcher, resolve=True)
    cores = os.cpu_count() or 1
    if in_this_process(launcher):
        return None
    if "n_jobs" in settings:
        jobs = int(settings["n_jobs"])
        return max(1, cores // (jobs if jobs > 0 else max(1, cores + 1 + jobs)))
    if "ray" in settings:
        return max(1, int(settings["ray"].get("remote", {}).get("num_cpus") or 1))
    return int(settings.get("cpus_per_task") or 1)
