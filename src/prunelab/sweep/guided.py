"""The largest percentage under conditions: a sweep that decides as it goes which job comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from prunelab.config import Job, Until
from prunelab.errors import ConfigError, PrunelabError
from prunelab.job import Result
from prunelab.sweep.composing import composer
from prunelab.sweep.grid import complain, with_root
from prunelab.sweep.launch import launch_one
from prunelab.sweep.launchers import threads_per_job
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import plan
from prunelab.sweep.replay import Known
from prunelab.sweep.until import bisect
from prunelab.sweep.worker import JobFailed, run_in_sweep


def run_until(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, combinations: Sequence[Sequence[str]]
) -> list[str]:
    """For each combination, the verdict of the bisection over the percentage, in words.

    Raises:
        SystemExit: with a message, if the sweep is refused or a job did not finish.
    """
    try:
        if any(o.startswith("percentage=") for overrides in combinations for o in overrides):
            raise ConfigError("percentage is refused: it is what experiment=until looks for")
        if len({tuple(o for o in overrides if o.startswith("until.")) for overrides in combinations}) > 1:
            raise ConfigError("several values of until.* in one sweep are refused: run a sweep for each")
        compose, threads = composer(config, loader), threads_per_job(config.hydra.launcher)
        planned = plan(combinations, compose, threads)
        for job in planned.jobs:
            check_conditions(job.job)
        planned = replace(planned, conditions=conditions(planned.jobs[0].job, {}))
        with open_sweep(planned, config.hydra.launcher) as sweep:
            launcher.task_function = partial(run_in_sweep, sweep.context)  # type: ignore[attr-defined]
            known = Known(sweep.store.children(sweep.context.sweep_id, "FINISHED"), compose, threads)
            common = set.intersection(*(set(job.overrides) for job in planned.jobs))
            for job in planned.jobs:

                def probe(percentage: float, job: Any = job) -> Result:
                    overrides = [*job.overrides, f"percentage={percentage:g}"]
                    if (before := known.find(overrides)) is not None:
                        return before
                    returned = launch_one(launcher, with_root(overrides, job.job))
                    complain([returned])
                    result = returned.return_value
                    assert isinstance(result, Result)
                    known.add(overrides, result)
                    return result

                assert job.job.until is not None
                verdict = bisect(job.job.until, probe)
                swept = [override for override in job.overrides if override not in common]
                sweep.verdicts.append(f"{' '.join(swept) or job.job.method.name}: {verdict.words}.")
            return sweep.verdicts
    except (PrunelabError, JobFailed) as error:
        raise SystemExit(f"prunelab: {error}") from error


def check_conditions(job: Job) -> None:
    """Refuse a job that has no condition, or does not measure what its conditions are about.

    Raises:
        ConfigError: naming the key.
    """
    until, measure = job.until, job.measure
    conditions = {} if until is None else until.model_dump(exclude={"resolution"})
    if until is None or all(value is None for value in conditions.values()):
        accepted = ", ".join(f"until.{name}" for name in Until.model_fields if name != "resolution")
        raise ConfigError(f"until is refused without a condition: it accepts {accepted}, any combination")
    if until.max_ms is not None and not measure.batch_sizes:
        raise ConfigError(f"until.max_ms={until.max_ms:g} is refused: it is measured, and measure.batch_sizes is empty")
    if until.max_bytes is not None and not measure.file:
        raise ConfigError(f"until.max_bytes={until.max_bytes} is refused: it takes measure.file=true")


def conditions(job: Job, sweeper: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep decides by, beside its jobs' results."""
    return {
        "until": None if job.until is None else job.until.model_dump(mode="json"),
        "search": None if job.search is None else job.search.model_dump(mode="json"),
        **({"hydra.sweeper": dict(sweeper)} if sweeper else {}),
    }
