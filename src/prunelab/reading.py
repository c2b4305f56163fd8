"""From what Hydra composed out of `conf/` to a `Job`, or a refusal in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from prunelab.arithmetic.environment import Arithmetic, has_avx2
from prunelab.choices import Precision
from prunelab.config import Job
from prunelab.errors import ConfigError
from prunelab.refusals import refusals

_CHECKOUT = Path(__file__).parents[2] / "conf"
_PACKAGED = Path(__file__).parent / "conf"
CONF = _CHECKOUT if _CHECKOUT.is_dir() else _PACKAGED
"""The folder of the YAML groups: the checkout's, or the one that the wheel carries."""


def read(config: DictConfig) -> Job:
    """The job that a composed configuration describes.

    Raises:
        ConfigError: naming each key that was refused, its value, and what it accepts.
    """
    return job_of(plain(config))


def plain(config: DictConfig) -> dict[str, Any]:
    """The job's own part of a composed configuration, resolved.

    Raises:
        ConfigError: if it does not resolve.
    """
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", "experiment")])
        own.paths.store = str(Path.cwd() / str(own.paths.store))  # other keys are addresses that begin with it
        resolved: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration does not resolve: {error}") from error
    return dict(resolved)


def job_of(values: dict[str, Any]) -> Job:
    """The job that a resolved configuration describes.

    Raises:
        ConfigError: naming each key that was refused, its value, and what it accepts.
    """
    try:
        return _decided(Job.model_validate(values))
    except ValidationError as error:
        raise ConfigError(refusals(error, Job)) from None


def _decided(job: Job) -> Job:
    """The job with what `auto` means on this machine, and native arithmetic where there is no portable one."""
    if job.trainer.arithmetic is Arithmetic.PORTABLE and (job.trainer.accelerator == "gpu" or not has_avx2()):
        job = job.model_copy(update={"trainer": job.trainer.model_copy(update={"arithmetic": Arithmetic.NATIVE})})
    if job.training.precision is not Precision.AUTO:
        return job
    from prunelab.device import has_bf16  # imports torch

    precision = Precision.BF16 if has_bf16(job.trainer) else Precision.FLOAT32
    return job.model_copy(update={"training": job.training.model_copy(update={"precision": precision})})
