"""The experiment `until`: the largest percentage under conditions of the user's, each probe a job of the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from prunelab.config import Job, Until
from prunelab.errors import ConfigError, PrunelabError
from prunelab.job import Result
from prunelab.sweep.bisection import bisect
from prunelab.sweep.combinations import Combination, as_overrides
from prunelab.sweep.launch import LaunchFailed, launch
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import Planner
from prunelab.sweep.replay import results_of


def run_until(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, combinations: Sequence[Combination]
) -> list[str]:
    """Bisect over the percentage for each combination; returns the verdicts, a sentence each.

    Raises:
        PrunelabError: if the sweep is refused or a job did not finish.
    """
    if any("percentage" in combination for combination in combinations):
        raise ConfigError("percentage is refused: it is what experiment=until looks for")
    if len({tuple(o for o in combination.items() if o[0].startswith("until.")) for combination in combinations}) > 1:
        raise ConfigError("several values of until.* in one sweep are refused: run a sweep for each")
    planner = Planner(config, loader)
    planned = planner.plan(combinations, conditions)
    with open_sweep(planned, config.hydra.launcher) as sweep:
        results = results_of(sweep.store, sweep.context.sweep_id)

        def probe(overrides: Combination, percentage: float) -> Result:
            job = planner.job({**overrides, "percentage": f"{percentage:g}"})
            if job.hash not in results:
                returned = launch(launcher, sweep.store, sweep.context, [job]).get(job.hash)
                value = None if returned is None else returned._return_value
                if not isinstance(value, Result):
                    raise value if isinstance(value, PrunelabError) else LaunchFailed("a probe could not be run")
                results[job.hash] = value
            return results[job.hash]

        for job in planned.jobs:
            assert job.job.until is not None
            verdict = bisect(job.job.until, partial(probe, job.overrides))
            swept = {key: value for key, value in job.overrides.items() if (key, value) not in planned.common}
            sweep.verdicts.append(f"{' '.join(as_overrides(swept)) or job.job.method.name}: {verdict.words}.")
        return sweep.verdicts


def conditions(job: Job) -> dict[str, Any]:
    """The conditions of a job, JSON-like.

    Raises:
        ConfigError: naming the key, if it has none, or does not measure what they are about.
    """
    until, measure = job.until, job.measure
    given = {} if until is None else until.model_dump(exclude={"resolution"})
    if until is None or all(value is None for value in given.values()):
        accepted = ", ".join(f"until.{name}" for name in Until.model_fields if name != "resolution")
        raise ConfigError(f"until is refused without a condition: it accepts {accepted}, any combination")
    if until.max_ms is not None and not measure.batch_sizes:
        raise ConfigError(f"until.max_ms={until.max_ms:g} is refused: nothing is timed (measure.batch_sizes=[])")
    if until.max_bytes is not None and not measure.file:
        raise ConfigError(f"until.max_bytes={until.max_bytes} is refused: it takes measure.file=true")
    return {"until": until.model_dump(mode="json"), "search": None}
