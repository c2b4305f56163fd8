"""The university report over several seeds, from a recorded sweep into the file that comes with prunelab.

    prunelab experiment=report 'seed=range(0,10)' measure=off
    python -m benchmarks.report_seeds [SWEEP] [--output FILE] [KEY=VALUE ...]

SWEEP is a run id or a name; default: the newest. Every job must be one of `experiment=report` with these overrides,
at all its percentages for every seed; otherwise the sweep is refused and nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from prunelab import names
from prunelab.compose import compose_job, split_arguments
from prunelab.errors import ConfigError, PrunelabError
from prunelab.identity import config_hash
from prunelab.report.report_seeds import FILE, as_csv
from prunelab.sweep.results import read_provenance, read_results
from prunelab.tracking.environment import machine, versions
from prunelab.tracking.find import find_sweep
from prunelab.tracking.opening import existing_store
from prunelab.tracking.run import SweepRuns
from prunelab.tracking.store import Store

PLACES = ("tracking", "paths", "hydra", "data.folder")
"""Keys that hold paths and addresses of one machine."""
METHODS = ("weight", "neuron")
TARGET = Path(__file__).parents[1] / "src" / "prunelab" / "report" / FILE


def main() -> None:
    """Write the file, and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_seeds", description=__doc__)
    parser.add_argument("sweep", nargs="?", default="last", metavar="SWEEP")
    parser.add_argument("--output", type=Path, default=TARGET, metavar="FILE")
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    try:
        job = compose_job(["experiment=report", *overrides])
        store = existing_store(job.tracking, job.experiment_name)
        sweep = store.sweep(find_sweep(store, arguments.sweep).id)
        text = _file(store, sweep, overrides)
    except PrunelabError as error:
        sys.exit(f"benchmarks.report_seeds: {error}")
    arguments.output.write_text(text, encoding="utf-8")
    print(f"{len(text.splitlines()) - 2} jobs written to {arguments.output}")


def _file(store: Store, sweep: SweepRuns, overrides: Sequence[str]) -> str:
    rows = read_results(store, sweep).rows
    check(rows, overrides)
    provenance = read_provenance(store, sweep)
    where = provenance.machine or machine()
    facts = (
        f"prunelab {' '.join(o for o in provenance.overrides if not o.startswith(PLACES))}",
        f"started {provenance.started.partition(' ')[0]}, commit {', '.join(provenance.commits)}",
        *(f"{key.replace('_', ' ')} {where[key]}" for key in ("processor", "cores") if key in where),
        f"torch {(provenance.versions or versions()).get('torch', 'unknown')}",
    )
    return as_csv(rows, "; ".join(facts))


def check(rows: pd.DataFrame, overrides: Sequence[str]) -> None:
    """Refuse rows unless they are all of the report's jobs, for each of two or more seeds.

    Raises:
        ConfigError: saying which jobs are missing or do not belong.
    """
    seeds, percentages = sorted(rows["seed"].unique(), key=int), sorted(rows[names.PERCENTAGE].unique())
    if len(seeds) < 2:
        raise ConfigError(f"the sweep has seed {', '.join(seeds)} alone; it takes several, as seed=range(0,10)")
    wanted = hashes(percentages, [int(seed) for seed in seeds], overrides)
    found = set(rows[names.CONFIG_HASH])
    if foreign := rows[~rows[names.CONFIG_HASH].isin(wanted)].to_dict("records"):
        raise ConfigError(
            f"{len(foreign)} of {len(rows)} jobs are not those of experiment=report, among them {foreign[0]['method']} "
            f"at {foreign[0][names.PERCENTAGE]:g}% with seed {foreign[0]['seed']}: configured differently"
        )
    if missing := len(wanted - found):
        raise ConfigError(f"{missing} of {len(wanted)} jobs are missing: every seed takes every method and percentage")


def hashes(percentages: Iterable[float], seeds: Iterable[int], overrides: Sequence[str] = ()) -> set[str]:
    """The config hashes of all jobs of `experiment=report` as it is configured now."""
    jobs = [compose_job(["experiment=report", *overrides, f"method={method}"]) for method in METHODS]
    return {
        config_hash(job.model_copy(update={"percentage": float(percentage), "seed": seed}))
        for job, percentage, seed in product(jobs, percentages, seeds)
    }


if __name__ == "__main__":
    main()
