"""`prunelab-store`: list, delete, export and import sweeps; measure, move and check a store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunelab.cli.command import command
from prunelab.config import Tracking
from prunelab.errors import ConfigError

if TYPE_CHECKING:
    from prunelab.cli.housekeeping import Housekeeping

UNDONE, REFUSED = 1, 2


def main() -> None:
    """The console command: status 0, 1 if `check` found something or a deletion was not confirmed, 2 if refused."""
    with command(_parser(), refused=REFUSED) as (here, arguments):
        sys.exit(arguments.run(here.job.tracking, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-store",
        description="Housekeeping of a store: all experiments in it, not that of one data set.",
        epilog="Any KEY=VALUE says where the store is, as for prunelab: paths.store=DIR, tracking.uri=sqlite:////x.db, "
        "tracking=server. Status: 0; 1 if check found damage, or a deletion was not confirmed; 2 if refused.",
    )
    commands = parser.add_subparsers(required=True, metavar="list|size|delete|relocate|check|export|import")
    listed = commands.add_parser("list", help="the sweeps, newest first, with their jobs by status")
    size = commands.add_parser("size", help="bytes of artifacts, by sweep")
    delete = commands.add_parser("delete", help="delete sweeps with their jobs, curves, artifacts, unneeded baselines")
    delete.add_argument("sweeps", nargs="*", metavar="SWEEP", help="names or run ids; last is the newest")
    delete.add_argument(
        "--leftovers",
        action="store_true",
        help="delete what earlier deletions left: runs marked deleted, jobs without a sweep, folders without a run",
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    relocate = commands.add_parser(
        "relocate",
        help="move a local store into another folder; without one, rewrite the addresses of a store that was moved",
    )
    relocate.add_argument("folder", nargs="?", type=Path, help="a new or empty folder, later given as paths.store=")
    relocate.add_argument("--keep", action="store_true", help="copy: keep the original")
    relocate.add_argument("--yes", action="store_true", help="do not ask")
    check = commands.add_parser("check", help="find missing or damaged artifacts, orphans, runs of dead processes")
    check.add_argument("--quick", action="store_true", help="do not read the artifacts, only see that they are there")
    check.add_argument("--close", action="store_true", help="mark runs that dead processes left RUNNING as KILLED")
    exported = commands.add_parser("export", help="write a sweep and its baselines into one file, for another store")
    exported.add_argument("sweep", metavar="SWEEP", help="a name or a run id; last is the newest")
    exported.add_argument("file", type=Path, metavar="FILE", help="a new file")
    imported = commands.add_parser("import", help="import a sweep from an exported file into this store")
    imported.add_argument("file", type=Path, metavar="FILE")
    for each, run in (
        *((listed, _list), (size, _size), (delete, _delete), (relocate, _relocate), (check, _check)),
        *((exported, _export), (imported, _import)),
    ):
        each.set_defaults(run=run)
    return parser


def _list(tracking: Tracking, arguments: argparse.Namespace) -> int:
    return _print(_store(tracking).sweeps())


def _size(tracking: Tracking, arguments: argparse.Namespace) -> int:
    return _print(_store(tracking).sizes())


def _delete(tracking: Tracking, arguments: argparse.Namespace) -> int:
    if not arguments.sweeps and not arguments.leftovers:
        raise ConfigError("delete: say which sweeps (prunelab-store list), or --leftovers")
    store = _store(tracking)
    doomed = store.doomed(arguments.sweeps, arguments.leftovers)
    if not doomed.runs and not doomed.folders:
        return _print("there is nothing to delete")
    _print(doomed.summary())
    return _print(store.delete(doomed)) if _confirmed(arguments.yes, "Delete this for good?") else UNDONE


def _check(tracking: Tracking, arguments: argparse.Namespace) -> int:
    store = _store(tracking)
    if arguments.close:
        _print(store.close())
    found, table = store.check(not arguments.quick)
    _print(table)
    return int(found)


def _export(tracking: Tracking, arguments: argparse.Namespace) -> int:
    return _print(_store(tracking).export(arguments.sweep, arguments.file))


def _import(tracking: Tracking, arguments: argparse.Namespace) -> int:
    from prunelab.tracking.importing import import_archive

    return _print(import_archive(tracking, arguments.file))


def _relocate(tracking: Tracking, arguments: argparse.Namespace) -> int:
    from prunelab.tracking.moving import local_store, mend, relocate

    database, artifacts = local_store(tracking)
    if arguments.folder is None:
        if not database.is_file():
            raise ConfigError(f"there is no store at {database}")
        if not mend(database, artifacts, writing=True, lost_too=True):
            print(f"nothing to do: all artifact addresses in {database} already match tracking.artifacts={artifacts}")
        return 0
    store, folder = _store(tracking), arguments.folder.resolve()
    store.refuse_at_work("relocate")
    print(f"{'copy' if arguments.keep else 'move'} {database} and {artifacts} into {folder}")
    if not arguments.keep and not _confirmed(arguments.yes, "Move them?"):
        return UNDONE
    relocate(tracking, folder, arguments.keep)
    print(f"done; give paths.store={folder} to prunelab and its other commands")
    return 0


def _store(tracking: Tracking) -> Housekeeping:
    from prunelab.cli.housekeeping import Housekeeping  # loads MLflow

    return Housekeeping(tracking)


def _print(what: Any) -> int:
    """Print what was asked for; the status of a command that did it."""
    from prunelab.report.console import terminal

    terminal().print(what, highlight=False, markup=not isinstance(what, str))
    return 0


def _confirmed(yes: bool, question: str) -> bool:
    """Whether the user says yes, or has said so with `--yes`.

    Raises:
        ConfigError: if there is no terminal to ask on.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on: confirm with --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
