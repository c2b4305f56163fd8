"""The commands' entry: what Hydra composed becomes a job, or a sweep of them.

`prunelab [overrides]` runs one job (`prunelab.job`); with `-m`, or an experiment that is a sweep, Hydra hands over to
the sweeper (`hydra_plugins.prunelab.sweepers`), which plans, records and reports the sweep (`prunelab.sweep`).
Only what composing needs is imported here: torch, lightning and mlflow come with the first job.
"""

from __future__ import annotations

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from prunelab import interruption
from prunelab.arithmetic.environment import choose
from prunelab.compose import refuse_what_is_no_text
from prunelab.errors import PrunelabError
from prunelab.help import help_text
from prunelab.reading import CONF, read


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def compose_and_run(config: DictConfig) -> None:
    """One job on its own. (In a sweep, the sweeper gives each job to `prunelab.sweep` instead.)"""
    try:
        choose(config.trainer.arithmetic)
        job = read(config)
        from prunelab.sweep.single import run_single

        run_single(job, list(HydraConfig.get().overrides.task))
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error


def main() -> None:
    """The console command; SIGTERM ends it as Ctrl-C does, and open runs are closed as KILLED."""
    refuse_what_is_no_text(sys.argv[1:])
    given = {argument.partition("=")[0] for argument in sys.argv[1:]}
    if {"--help", "-h"} & given:
        print(help_text(CONF))
        return
    if {"--multirun", "-m"} & given and (shown := {"--cfg", "-c", "--info", "-i"} & given):
        sys.exit(f"prunelab: {shown.pop()} with -m is refused: it shows one job and runs nothing; leave out -m")
    interruption.listen()
    try:
        compose_and_run()
    except KeyboardInterrupt:
        sys.exit(130)
