"""The `prunelab` command: runs the configuration that Hydra composed, as one job or as a sweep.

`prunelab [overrides]` runs one job (`prunelab.job`); with `-m`, or an experiment that is a sweep, Hydra calls the
sweeper (`hydra_plugins.prunelab.sweepers`), which plans, records and reports the sweep (`prunelab.sweep`).
Only what composing needs is imported here: torch, lightning and mlflow come with the first job.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import prunelab
from prunelab import logs
from prunelab.interruption import interruptible

if TYPE_CHECKING:
    from prunelab.config import Job

COMPLETION = {"--shell-completion", "-sc"}
ANSWERED = {"--cfg", "-c", "--info", "-i", "--hydra-help", *COMPLETION}
"""Options that make Hydra print something and exit without running a job."""
VALUED = {
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
    *("--info", "-i", "--experimental-rerun"),
}
"""Hydra's options that may be followed by a value."""


def main() -> None:
    """The console command."""
    with interruptible("prunelab"):
        _answer_or_run(logs.begin(sys.argv[1:]))


def _answer_or_run(arguments: Sequence[str]) -> None:
    given = {argument.partition("=")[0] for argument in arguments}
    if "--version" in given:
        print(f"prunelab {prunelab.__version__}")
        return
    if {"--help", "-h"} & given:
        from prunelab.help import help_text
        from prunelab.reading import CONF

        print(help_text(CONF))
        return
    if {"--multirun", "-m"} & given and (shown := {"--cfg", "-c", "--info", "-i"} & given):
        sys.exit(f"prunelab: {shown.pop()} with -m is refused: it shows one job and runs nothing; leave out -m")
    if not ANSWERED & given:
        logs.status("prunelab: loading")
    from prunelab.compose import refuse_unknown_keys, refuse_what_is_no_text, warn_of_shadowed
    from prunelab.errors import exiting

    refuse_what_is_no_text(arguments)
    options, overrides = separated(arguments)
    if not COMPLETION & given:
        with exiting():
            refuse_unknown_keys(overrides)
    sys.argv[1:] = [*options, *overrides]
    if not ANSWERED & given:
        warn_of_shadowed(_config_dir(options))
    if COMPLETION & given:
        from prunelab.completion import complete

        complete(overrides, compose_and_run)
        return
    compose_and_run()


def separated(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(options with their values, overrides): Hydra refuses overrides on both sides of an option, `seed=1 -m x=2`."""
    options: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        is_value = bool(options) and options[-1] in VALUED and "=" not in argument
        (options if argument.startswith("-") or is_value else overrides).append(argument)
    return options, overrides


def _config_dir(options: Sequence[str]) -> Path | None:
    """The folder of one's own options, if one is given."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path, nargs="?")
    folder: Path | None = parser.parse_known_args(options)[0].config_dir
    return folder


def compose_and_run() -> None:
    """Let Hydra compose the configuration and run the job here; for a sweep, Hydra calls the sweeper instead."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    from prunelab.arithmetic.environment import choose
    from prunelab.errors import exiting
    from prunelab.reading import CONF, read

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def compose(config: DictConfig) -> None:
        with exiting():
            choose(config.trainer.arithmetic)
            logs.follow_hydra(HydraConfig.get().verbose)
            run_job(read(config), list(HydraConfig.get().overrides.task))

    compose()


def run_job(job: Job, overrides: list[str]) -> None:
    """Check a job that belongs to no sweep, run it, and print its result.

    Raises:
        PrunelabError: for an error that the user can fix.
    """
    from prunelab.errors import ConfigError

    if job.resume is not None:
        raise ConfigError(
            f"resume={job.resume} is refused: a single job has nothing to resume; resume needs a sweep (-m)"
        )
    from prunelab.job import check, run

    check(job)
    result = run(job, overrides)
    test = result.test
    print(f"{result.name}: test accuracy {test.accuracy:.4f}, loss {test.loss:.4f}  (run {result.run_id})")
