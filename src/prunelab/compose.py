"""Composes a job's configuration without running Hydra: for the commands that only need to know where the store is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from prunelab.config import Job
from prunelab.errors import ConfigError, spelled_out
from prunelab.keys import refuse_unknown
from prunelab.reading import CONF, read

TRUST = "run the code that the record names: networks, loaders, criteria that are not prunelab's or torchvision's"
"""What `--trust-code` does, in the help of the commands that have it."""


def compose_job(overrides: Sequence[str]) -> Job:
    """The job that these overrides describe, its paths below the current folder.

    Raises:
        ConfigError: for overrides that `conf/` does not accept.
    """
    refuse_unknown(overrides)
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return read(compose("config", list(overrides)), root=Path.cwd())
    except HydraException as error:
        raise ConfigError(str(error)) from error


def refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """Refuse control characters and bytes that are not UTF-8: no recorded name has them.

    Raises:
        SystemExit: naming the first such argument.
    """
    odd = next((argument for argument in arguments if spelled_out(argument) != argument), None)
    if odd is not None:
        command = Path(sys.argv[0]).stem
        raise SystemExit(f"{command}: argument {spelled_out(odd)} is refused: it has characters that are no text")


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(overrides, the rest) of a command line: an override has an `=` and does not begin with a dash.

    Raises:
        SystemExit: for an argument with control characters.
    """
    refuse_what_is_no_text(arguments)
    rest = [argument for argument in arguments if "=" not in argument or argument.startswith("-")]
    return [argument for argument in arguments if argument not in rest], rest
