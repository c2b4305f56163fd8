"""The search for the fewest parameters: Optuna's trials as the jobs of one sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from prunelab.config import Job
from prunelab.errors import ConfigError, PrunelabError
from prunelab.job import Result
from prunelab.sweep.composing import composer
from prunelab.sweep.grid import complain, with_root
from prunelab.sweep.guided import conditions
from prunelab.sweep.launchers import threads_per_job
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import plan
from prunelab.sweep.replay import Known
from prunelab.sweep.worker import SweepContext, run_in_sweep


def run_search(sweeper: Any, arguments: list[str]) -> Any:
    """Optuna's trials as the jobs of one sweep; what it found is said with it.

    `sweeper` is what is behind hydra-optuna-sweeper's plugin: it asks Optuna, launches, and tells it the values.

    Raises:
        SystemExit: with a message, if the sweep is refused or a job did not finish.
    """
    config, loader = sweeper.config, sweeper.hydra_context.config_loader
    try:
        parsed = OverridesParser.create().parse_overrides(arguments)
        fixed = [each for each, override in zip(arguments, parsed, strict=True) if not override.is_sweep_override()]
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
        planned = replace(planned, conditions=conditions(first, {**_sweeper(config), "given": sorted(asked)}))
        found: list[Trial] = []
        with open_sweep(planned, config.hydra.launcher) as sweep:
            known = Known(sweep.store.children(sweep.context.sweep_id, "FINISHED"), compose, threads)
            sweeper.launcher = _Objectives(sweeper.launcher, sweep.context, first, found, known)
            sweeper.sweep(arguments)
            sweep.verdicts.append(_choice(found, first.search.tolerance))
        return found
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that a search tried, one job for each seed; numbers are means over them. `drop`: of the validation
    accuracy, from each seed's own baseline.
    """

    name: str
    run_ids: tuple[str, ...]
    parameters: float
    validation: float
    drop: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> Trial:
        return cls(
            results[0].name,
            tuple(result.run_id for result in results),
            fmean(result.parameters for result in results),
            fmean(result.validation.accuracy for result in results),
            fmean(result.baseline_validation - result.validation.accuracy for result in results),
        )


class _Objectives:
    """A launcher whose trials return what Optuna is to optimise: (remaining parameters, validation accuracy).

    A trial is a job, or with `search.seeds` one for each seed. A job that finished before, earlier in the search or
    before it was interrupted, is not run again.
    """

    def __init__(self, launcher: Any, context: SweepContext, job: Job, found: list[Trial], known: Known) -> None:
        self._launcher, self._job, self._found, self._known = launcher, job, found, known
        launcher.task_function = partial(run_in_sweep, context)

    def launch(self, combinations: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Launch, and turn the results of each trial into its two values; a failed job stays as it is."""
        trials = [self._jobs(overrides) for overrides in combinations]
        missing = [job for trial in trials for job in trial if self._known.find(job) is None]
        launched = [with_root(overrides, self._job) for overrides in missing]
        returns = list(self._launcher.launch(launched, initial_job_idx=initial_job_idx)) if launched else []
        complain(returns)
        failed = {}
        for overrides, returned in zip(missing, returns, strict=True):
            if isinstance(returned._return_value, Result):
                self._known.add(overrides, returned._return_value)
            else:
                failed[tuple(overrides)] = returned
        return [
            next((failed[tuple(job)] for job in trial if tuple(job) in failed), None) or self._values(overrides, trial)
            for overrides, trial in zip(combinations, trials, strict=True)
        ]

    def _jobs(self, overrides: Sequence[str]) -> list[list[str]]:
        seeds = None if self._job.search is None else self._job.search.seeds
        return [list(overrides)] if seeds is None else [[*overrides, f"seed={seed}"] for seed in seeds]

    def _values(self, overrides: Sequence[str], jobs: Sequence[Sequence[str]]) -> JobReturn:
        results = [result for job in jobs if (result := self._known.find(job)) is not None]
        assert len(results) == len(jobs)
        trial = Trial.of(results)
        self._found.append(trial)
        returned = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        returned.return_value = (trial.parameters, trial.validation)
        return returned


def _sweeper(config: DictConfig) -> dict[str, Any]:
    """Optuna's settings, JSON-like."""
    settings: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    return {key: json.loads(json.dumps(value, default=str)) for key, value in settings.items()}


def _choice(found: Sequence[Trial], tolerance: float) -> str:
    """The trial with the fewest parameters within the tolerance, or the nearest, in words.

    Test accuracy is not said: whoever sees it while choosing has chosen on it.
    """
    if not found:
        return "no trial finished."
    within = [trial for trial in found if trial.drop <= tolerance]
    if within:
        best = min(within, key=lambda trial: (trial.parameters, -trial.validation))
        what = f"fewest parameters within {tolerance:g} of the baseline's validation accuracy"
    else:
        best = min(found, key=lambda trial: trial.drop)
        what = f"no trial stays within {tolerance:g} of the baseline's validation accuracy; nearest"
    each = {trial.run_ids: trial for trial in found}.values()
    front = sum(not any(_dominates(other, trial) for other in each) for trial in each)
    runs, mean = ("run", "") if len(best.run_ids) == 1 else ("runs", f" (means over {len(best.run_ids)} seeds)")
    return (
        f"{what}: {best.name} ({runs} {', '.join(best.run_ids)}), {best.parameters:,.0f} parameters, validation "
        f"accuracy {best.validation:.4f} against {best.validation + best.drop:.4f}{mean}; {front} of {len(each)} "
        "trials are on the Pareto front. Report it with seeds that the search did not use."
    )


def _dominates(one: Trial, other: Trial) -> bool:
    return (
        one.parameters <= other.parameters
        and one.validation >= other.validation
        and (one.parameters, one.validation) != (other.parameters, other.validation)
    )
