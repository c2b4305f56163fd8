"""Composes a job's configuration without running Hydra: for the commands that only need to know where the store is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from prunelab.config import Job
from prunelab.errors import ConfigError, spelled_out
from prunelab.keys import refuse_key, refuse_unknown, section_of
from prunelab.reading import CONF, read

log = logging.getLogger(__name__)

OPEN = ("data", "model", "recovery")
"""Sections whose keys depend on the option."""
NAMING = {"data", "data.name", "experiment", "tracking.experiment_name"}
"""Keys that say which experiment of a store is meant."""
TRUST = "import the code that the run names (network, loader, criterion) although it is not prunelab's or torchvision's"
"""What `--trust-code` does, in the help of the commands that have it."""


def compose_job(overrides: Sequence[str], config_dir: Path | None = None) -> Job:
    """The job that these overrides describe, its paths below the current folder.

    `config_dir`: a folder with options of one's own.

    Raises:
        ConfigError: for overrides that neither `conf/` nor `config_dir` accepts, or if that is not a folder.
    """
    refuse_unknown_keys(overrides)
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError(f"--config-dir {config_dir} is refused: there is no such folder")
    warn_of_shadowed(config_dir)
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return read(compose("config", [*overrides, *_searched(config_dir)]), root=Path.cwd())
    except HydraException as error:
        raise ConfigError(str(error)) from error


def refuse_unknown_keys(overrides: Sequence[str]) -> None:
    """Check the names of keys; those that depend on the chosen option (`recovery.epochs=`) where its file has them all.

    Hydra would refuse them too, and advise to add them, which does not help.

    Raises:
        ConfigError: for the first unknown key, naming the nearest known ones.
    """
    refuse_unknown(overrides)
    chosen = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    if "experiment" in chosen or not any(key.split(".")[0] in OPEN and "." in key for key in chosen):
        return  # an experiment may choose other options
    main = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    defaults = {key: value for entry in main["defaults"] if isinstance(entry, dict) for key, value in entry.items()}
    for override in overrides:
        section, *inner = override.partition("=")[0].split(".")
        if section not in OPEN or not inner:
            continue
        for name in chosen.get(section, str(defaults[section])).split(","):
            file = CONF / section / f"{name}.yaml"
            if not file.is_file():  # an option of one's own
                continue
            own = yaml.safe_load(file.read_text(encoding="utf-8"))
            if all("override " in str(entry) for entry in own.pop("defaults", [])):  # else it has keys of other options
                fields = section_of(section)
                known = {**own, **main.get(section, {}), **(fields.model_fields if fields else {})}
                refuse_key(override, inner[0], list(known), f"{section}.")


def warn_of_shadowed(config_dir: Path | None) -> None:
    """Warn of options of one's own that are not used, because one of prunelab's has the same name."""
    if config_dir is None:
        return
    for file in sorted(config_dir.rglob("*.yaml")):
        if (CONF / file.relative_to(config_dir)).is_file():
            log.warning(f"{file} is not used: prunelab has an option of that name; give it another one")


def _searched(config_dir: Path | None) -> list[str]:
    """The override by which Hydra reads options in this folder, too."""
    if config_dir is None:
        return []
    address = QuotedString(f"file://{config_dir.resolve()}", Quote.single).with_quotes()
    return [f"hydra.searchpath=[{address}]"]


def named_experiment(job: Job, overrides: Sequence[str]) -> str | None:
    """The experiment that a job's configuration names; None if it is only the default data set's."""
    keys = {override.partition("=")[0].lstrip("+") for override in overrides}
    return job.experiment_name if job.tracking.experiment_name is not None or keys & NAMING else None


def refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """Refuse control characters and bytes that are not UTF-8: no recorded name has them.

    Raises:
        SystemExit: naming the first such argument.
    """
    odd = next((argument for argument in arguments if spelled_out(argument) != argument), None)
    if odd is not None:
        command = Path(sys.argv[0]).stem
        raise SystemExit(f"{command}: argument {spelled_out(odd)} is refused: it has control or invalid characters")


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(overrides, the rest) of a command line: an override has an `=` and does not begin with a dash.

    Raises:
        SystemExit: for an argument with control characters.
    """
    refuse_what_is_no_text(arguments)
    rest = [argument for argument in arguments if "=" not in argument or argument.startswith("-")]
    return [argument for argument in arguments if argument not in rest], rest
