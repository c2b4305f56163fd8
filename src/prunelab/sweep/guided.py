"""Sweeps that decide as they go which job comes next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

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
from prunelab.sweep.worker import JobFailed, SweepContext, run_in_sweep


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
        compose, threads = composer(config, loader), threads_per_job(config.hydra.launcher)
        planned = plan(combinations, compose, threads)
        for job in planned.jobs:
            check_conditions(job.job)
        planned = replace(planned, conditions=_conditions(planned.jobs[0].job, {}))
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


def run_search(sweeper: Any, arguments: list[str]) -> Any:
    """Optuna's trials as the jobs of one sweep; what it found is said with it.

    `sweeper` is what is behind hydra-optuna-sweeper's plugin: it asks Optuna, launches, and tells it the values.

    Raises:
        SystemExit: with a message, if the sweep is refused or a job did not finish.
    """
    config, loader = sweeper.config, sweeper.hydra_context.config_loader
    try:
        fixed = [argument for argument in arguments if "(" not in argument and "," not in argument]
        compose, threads = composer(config, loader), threads_per_job(config.hydra.launcher)
        planned = plan([fixed], compose, threads)
        first = planned.jobs[0].job
        if first.search is None:
            raise ConfigError("search.tolerance is missing: use experiment=search")
        if first.resume is not None and sweeper.storage is not None:
            raise ConfigError(
                f"resume={first.resume} is refused with hydra.sweeper.storage={sweeper.storage}: a search is resumed "
                "by asking Optuna again from the beginning, which takes hydra.sweeper.storage=null"
            )
        asked = [argument for argument in arguments if argument not in fixed]
        planned = replace(planned, conditions=_conditions(first, {**_sweeper(config), "given": sorted(asked)}))
        found: list[Result] = []
        with open_sweep(planned, config.hydra.launcher) as sweep:
            known = Known(sweep.store.children(sweep.context.sweep_id, "FINISHED"), compose, threads)
            sweeper.launcher = _Objectives(sweeper.launcher, sweep.context, first, found, known)
            sweeper.sweep(arguments)
            sweep.verdicts.append(_choice(found, first.search.tolerance))
        return found
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error


class _Objectives:
    """A launcher whose jobs return what Optuna is to optimise: (remaining parameters, validation accuracy).

    A trial whose job finished before, earlier in the search or before it was interrupted, is not run again.
    """

    def __init__(self, launcher: Any, context: SweepContext, job: Job, found: list[Result], known: Known) -> None:
        self._launcher, self._job, self._found, self._known = launcher, job, found, known
        launcher.task_function = partial(run_in_sweep, context)

    def launch(self, combinations: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Launch, and turn each result into its two values; a failed job stays as it is."""
        missing = [overrides for overrides in combinations if self._known.find(overrides) is None]
        launched = [with_root(overrides, self._job) for overrides in missing]
        returns = list(self._launcher.launch(launched, initial_job_idx=initial_job_idx)) if launched else []
        complain(returns)
        failed = {}
        for overrides, returned in zip(missing, returns, strict=True):
            if isinstance(returned._return_value, Result):
                self._known.add(overrides, returned._return_value)
            else:
                failed[tuple(overrides)] = returned
        return [failed.get(tuple(overrides)) or self._values(overrides) for overrides in combinations]

    def _values(self, overrides: Sequence[str]) -> JobReturn:
        result = self._known.find(overrides)
        assert result is not None
        self._found.append(result)
        returned = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        returned.return_value = (float(result.parameters), result.validation.accuracy)
        return returned


def _conditions(job: Job, sweeper: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep decides by, beside its jobs' results."""
    return {
        "until": None if job.until is None else job.until.model_dump(mode="json"),
        "search": None if job.search is None else job.search.model_dump(mode="json"),
        **({"hydra.sweeper": dict(sweeper)} if sweeper else {}),
    }


def _sweeper(config: DictConfig) -> dict[str, Any]:
    """Optuna's settings, JSON-like."""
    settings: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    return {key: json.loads(json.dumps(value, default=str)) for key, value in settings.items()}


def _choice(found: Sequence[Result], tolerance: float) -> str:
    """The trial with the fewest parameters within the tolerance, or the nearest, in words."""
    if not found:
        return "no trial finished."
    within = [r for r in found if r.baseline_validation - r.validation.accuracy <= tolerance]
    if within:
        best = min(within, key=lambda result: result.parameters)
        what = f"fewest parameters within {tolerance:g} of the baseline's validation accuracy"
    else:
        best = max(found, key=lambda result: result.validation.accuracy - result.baseline_validation)
        what = f"no trial stays within {tolerance:g} of the baseline's validation accuracy; nearest"
    front = sum(
        not any(_dominates(other, result) for other in found) for result in {r.run_id: r for r in found}.values()
    )
    return (
        f"{what}: {best.name} (run {best.run_id}), {best.parameters:,} parameters, validation accuracy "
        f"{best.validation.accuracy:.4f} against {best.baseline_validation:.4f}, test accuracy "
        f"{best.test.accuracy:.4f}; {front} of {len(found)} trials are on the Pareto front."
    )


def _dominates(one: Result, other: Result) -> bool:
    return (
        one.parameters <= other.parameters
        and one.validation.accuracy >= other.validation.accuracy
        and (one.parameters, one.validation.accuracy) != (other.parameters, other.validation.accuracy)
    )
