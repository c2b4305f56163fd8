"""`prunelab-reproduce`: run a recorded job again from its own configuration, and compare every metric."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from prunelab.cli.command import command
from prunelab.compose import TRUST
from prunelab.errors import ConfigError

PLACES = ("tracking", "tracking.", "paths.", "data", "data.folder", "trainer.progress")
"""Overrides may only set locations: these are the accepted keys (exact group names, and prefixes ending in a dot)."""


def main() -> None:
    """The console command: status 0 if all metrics agree, 1 if one differs, 2 if the run could not be repeated."""
    with command(_parser(), refused=2) as (here, arguments):
        refuse_settings(here.overrides)
        store = here.store
        from prunelab.reproduction import How, reproduce

        how = How(arguments.tolerance, arguments.reuse_baseline, arguments.trust_code)
        sys.exit(0 if reproduce(store, here.job, arguments.run, how) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-reproduce",
        description=(
            "Run a recorded job again, its training included, from the configuration in the store and with the "
            "recorded number of threads; list what differs from the recorded environment, and for every metric whether "
            "it came out the same. Measured times are not compared. Nothing is written to the store: the repetition "
            "goes into a temporary one, which is deleted."
        ),
        epilog="Status: 0 if all metrics agree, 1 if one differs, 2 if the run could not be repeated.",
    )
    parser.add_argument(
        "run", help="run id or name of a finished job (of a repeated job the newest), last, or a baseline"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="where the store and the data are, as for prunelab: data=digits, tracking.uri=sqlite:////x.db",
    )
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.0,
        metavar="X",
        help="accept differences up to X, absolute or relative (default: 0, to the last digit)",
    )
    parser.add_argument("--reuse-baseline", action="store_true", help="prune the recorded network, do not train again")
    parser.add_argument("--trust-code", action="store_true", help=TRUST)
    return parser


def refuse_settings(overrides: Sequence[str]) -> None:
    """Refuse overrides that do not only say where things are.

    Raises:
        ConfigError: for one that would change what is computed.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+")
        if key not in PLACES and not any(place.endswith(".") and key.startswith(place) for place in PLACES):
            raise ConfigError(
                f"{override} is refused: what is computed is in the record; overrides may only say where the store "
                "and the data are (tracking=, tracking.*, paths.*, data=, data.folder, trainer.progress)"
            )


def _tolerance(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text}: it takes a number from 0 to below 1")
    return value
