"""The experiment `search`: Optuna's trials as the jobs of one sweep, looking for the fewest parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from prunelab.config import Job, Search
from prunelab.errors import ConfigError
from prunelab.job import Result
from prunelab.sweep.combinations import combination_of
from prunelab.sweep.launch import LaunchFailed, launch
from prunelab.sweep.parent import Sweep, open_sweep
from prunelab.sweep.plan import PlannedJob, Planner
from prunelab.sweep.replay import results_of


def run_search(sweeper: Any, arguments: list[str]) -> list[Trial]:
    """Run Optuna's trials as the jobs of one sweep, whose verdict is the best of them; returns all.

    `sweeper` is what is behind hydra-optuna-sweeper's plugin: it asks Optuna, launches, and tells it the values.

    Raises:
        PrunelabError: if the sweep is refused or a job did not finish.
    """
    config = sweeper.config
    parsed = OverridesParser.create().parse_overrides(arguments)
    asked = sorted(str(override.input_line) for override in parsed if override.is_sweep_override())

    def conditions(job: Job) -> dict[str, Any]:
        search = _settings(job)
        if job.resume is not None and sweeper.storage is not None:
            raise ConfigError(
                f"resume={job.resume} is refused with hydra.sweeper.storage={sweeper.storage}: a search is resumed "
                "by asking Optuna again from the beginning, which takes hydra.sweeper.storage=null"
            )
        return {
            "until": None,
            "search": search.model_dump(mode="json"),
            "hydra.sweeper": {**_sweeper(config), "given": asked},
        }

    planner = Planner(config, sweeper.hydra_context.config_loader)
    fixed = combination_of(str(override.input_line) for override in parsed if not override.is_sweep_override())
    if sweeper.params:  # drop keys that the command fixes; a grid would repeat every setting for each of their values
        sweeper.params = {key: value for key, value in sweeper.params.items() if key not in fixed}
    _refuse_intervals_in_a_grid(sweeper, parsed)
    planned = planner.plan([fixed], conditions)
    search = _settings(planned.jobs[0].job)
    Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)  # Optuna's sweeper writes its results there
    with open_sweep(planned, config.hydra.launcher) as sweep:
        results = results_of(sweep.store, sweep.context.sweep_id)
        trials = sweeper.launcher = _Trials(sweeper.launcher, sweep, planner, search.seeds, results)
        sweeper.sweep(arguments)
        sweep.verdicts.append(_choice(trials.found, search.tolerance))
    return trials.found


def _refuse_intervals_in_a_grid(sweeper: Any, parsed: Sequence[Override]) -> None:
    if not isinstance(sweeper.sampler, partial):  # only the grid sampler is created later, once its values are known
        return
    own = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in (sweeper.params or {}).items()])
    for override in {each.key_or_group: each for each in (*own, *parsed)}.values():
        if override.is_interval_sweep():
            raise ConfigError(
                f"{override.input_line} is refused with hydra/sweeper/sampler=grid: an interval has no list of values; "
                "it accepts choice(...) and range(...)"
            )


def _settings(job: Job) -> Search:
    if job.search is None:
        raise ConfigError("search.tolerance is missing: use experiment=search")
    return job.search


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


@dataclass(slots=True)
class _Trials:
    """A launcher whose jobs return what Optuna is to optimise: (remaining parameters, validation accuracy).

    A trial is a job, or with `search.seeds` one for each seed. A job that finished before, earlier in the search or
    before it was interrupted, is not run again.
    """

    launcher: Any
    sweep: Sweep
    planner: Planner
    seeds: Sequence[int] | None
    results: dict[str, Result]
    found: list[Trial] = field(default_factory=list)

    def launch(self, combinations: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Launch, and turn the results of each trial into its two values; a failed job stays as it is."""
        trials = [self._jobs(overrides) for overrides in combinations]
        missing = {job.hash: job for trial in trials for job in trial if job.hash not in self.results}
        returned = launch(
            self.launcher, self.sweep.store, self.sweep.context, list(missing.values()), first=initial_job_idx
        )
        self.results |= {
            key: each._return_value for key, each in returned.items() if isinstance(each._return_value, Result)
        }
        return [self._judged(overrides, trial, returned) for overrides, trial in zip(combinations, trials, strict=True)]

    def _jobs(self, overrides: Sequence[str]) -> list[PlannedJob]:
        setting = combination_of(overrides)
        seeds = [{}] if self.seeds is None else [{"seed": str(seed)} for seed in self.seeds]
        return [self.planner.job(setting | seed) for seed in seeds]

    def _judged(
        self, overrides: Sequence[str], jobs: Sequence[PlannedJob], returned: dict[str, JobReturn]
    ) -> JobReturn:
        failed = next((job.hash for job in jobs if job.hash not in self.results), None)
        if failed is not None:
            lost = JobReturn(overrides, status=JobStatus.FAILED, _return_value=LaunchFailed("its worker process died"))
            return returned.get(failed, lost)
        trial = Trial.of([self.results[job.hash] for job in jobs])
        self.found.append(trial)
        values = (trial.parameters, trial.validation)
        return JobReturn(overrides, status=JobStatus.COMPLETED, _return_value=values)


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
