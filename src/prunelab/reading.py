"""Makes a `Job` of the configuration that Hydra composed from `conf/`, or refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from prunelab.arithmetic.environment import Arithmetic, has_avx2
from prunelab.choices import Precision
from prunelab.config import Job, Retraining
from prunelab.errors import ConfigError
from prunelab.refusals import refusals

_CHECKOUT = Path(__file__).parents[2] / "conf"
_PACKAGED = Path(__file__).parent / "conf"
CONF = _CHECKOUT if _CHECKOUT.is_dir() else _PACKAGED
"""The folder of the YAML groups: the checkout's, or the one that the wheel carries."""


def read(config: DictConfig, root: Path | None = None) -> Job:
    """The job that a composed configuration describes. `root`: see `plain`.

    Raises:
        ConfigError: naming each key that was refused, its value, and what it accepts.
    """
    return job_of(plain(config, root))


def plain(config: DictConfig, root: Path | None = None) -> dict[str, Any]:
    """The job's own part of a composed configuration, resolved; without `hydra`.

    `root`: what `paths.root` is unless it is set, where the current folder is not that of the command.

    Raises:
        ConfigError: if it does not resolve.
    """
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", "experiment")])
        if root is not None and OmegaConf.is_interpolation(own.paths, "root"):
            own.paths.root = str(root)
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
        job = Job.model_validate(values)
    except ValidationError as error:
        raise ConfigError(refusals(error, Job)) from None
    _check_training("recovery.", job.recovery.module, job.recovery.options)
    return _decided(job)


def _check_training(prefix: str, module: str, options: Mapping[str, Any]) -> None:
    """Refuse what a recovery of ours that trains would refuse, before torch, which it imports, is loaded.

    Raises:
        ConfigError: as the recovery does.
    """
    if module.startswith("prunelab.") and "epochs" in options:
        try:
            Retraining.model_validate({key: options[key] for key in Retraining.model_fields if key in options})
        except ValidationError as error:
            raise ConfigError(refusals(error, Retraining, prefix)) from None
    steps = options.get("steps")
    for step in steps if isinstance(steps, list) else ():  # of a sequence, what it does
        if isinstance(step, str) and isinstance(inner := options.get(step), Mapping):
            _check_training(f"{prefix}{step}.", str(inner.get("module")), inner)


def _decided(job: Job) -> Job:
    """The job with what `auto` precision is on this machine, and native arithmetic where there is no portable one."""
    if job.trainer.arithmetic is Arithmetic.PORTABLE and (job.trainer.accelerator == "gpu" or not has_avx2()):
        job = job.model_copy(update={"trainer": job.trainer.model_copy(update={"arithmetic": Arithmetic.NATIVE})})
    if job.training.precision is not Precision.AUTO:
        return job
    from prunelab.device import has_bf16  # imports torch

    precision = Precision.BF16 if has_bf16(job.trainer) else Precision.FLOAT32
    return job.model_copy(update={"training": job.training.model_copy(update={"precision": precision})})
