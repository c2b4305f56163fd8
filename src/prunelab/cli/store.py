"""`prunelab-store`: what a store holds and weighs; sweeps deleted, exported, imported; a store moved; damage found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prunelab import interruption
from prunelab.compose import compose_job, split_arguments
from prunelab.config import Tracking
from prunelab.errors import ConfigError, PrunelabError

if TYPE_CHECKING:
    from prunelab.cli.opened import Opened

DAMAGED, REFUSED = 1, 2


def main() -> None:
    """The console command: status 0, 1 if `check` found something or a deletion was not confirmed, 2 if refused."""
    overrides, others = split_arguments(sys.argv[1:])
    arguments = _parser().parse_args(others)
    try:
        tracking = compose_job(overrides).tracking
        if arguments.command == "relocate":
            sys.exit(_relocate(tracking, arguments))
        if arguments.command == "import":
            sys.exit(_import(tracking, arguments.file))
        from prunelab.cli.opened import opened

        commands: dict[str, Callable[[Opened, argparse.Namespace], int]] = {
            "list": _list,
            "size": _size,
            "delete": _delete,
            "check": _check,
            "export": _export,
        }
        sys.exit(commands[arguments.command](opened(tracking), arguments))
    except (PrunelabError, OSError) as error:
        print(f"prunelab-store: {error}", file=sys.stderr)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prunelab-store",
        description="Housekeeping of a store: all experiments in it, not that of one data set.",
        epilog="Any KEY=VALUE says where the store is, as for prunelab: paths.store=DIR, tracking.uri=sqlite:////x.db, "
        "tracking=server. Status: 0; 1 if check found damage, or a deletion was not confirmed; 2 if refused.",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="list|size|delete|relocate|check|export|import"
    )
    commands.add_parser("list", help="the sweeps, newest first, with their jobs by status")
    commands.add_parser("size", help="bytes of artifacts, by sweep")
    delete = commands.add_parser("delete", help="delete sweeps with their jobs, curves, artifacts, unneeded baselines")
    delete.add_argument("sweeps", nargs="*", metavar="SWEEP", help="names or run ids; last is the newest")
    delete.add_argument(
        "--leftovers",
        action="store_true",
        help="what earlier deletions left: runs marked as deleted, jobs without their sweep, folders without a run",
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    relocate = commands.add_parser(
        "relocate",
        help="move a local store into another folder; without one, rewrite the addresses of a store that was moved",
    )
    relocate.add_argument("folder", nargs="?", type=Path, help="a new or empty folder, later given as paths.store=")
    relocate.add_argument("--keep", action="store_true", help="leave the original: a copy")
    relocate.add_argument("--yes", action="store_true", help="do not ask")
    check = commands.add_parser("check", help="missing and damaged artifacts, orphans, runs of dead processes")
    check.add_argument("--quick", action="store_true", help="do not read the artifacts, only see that they are there")
    check.add_argument("--close", action="store_true", help="end as KILLED what dead processes left RUNNING")
    exported = commands.add_parser("export", help="write a sweep and its baselines into one file, for another store")
    exported.add_argument("sweep", metavar="SWEEP", help="a name or a run id; last is the newest")
    exported.add_argument("file", type=Path, metavar="FILE", help="a new file")
    imported = commands.add_parser("import", help="take a sweep from such a file into this store")
    imported.add_argument("file", type=Path, metavar="FILE")
    return parser


def _list(store: Opened, arguments: argparse.Namespace) -> int:
    store.print(store.listing())
    return 0


def _size(store: Opened, arguments: argparse.Namespace) -> int:
    store.print(store.sizes())
    return 0


def _delete(store: Opened, arguments: argparse.Namespace) -> int:
    if not arguments.sweeps and not arguments.leftovers:
        raise ConfigError("delete: say which sweeps (prunelab-store list), or --leftovers")
    going = store.doomed(arguments.sweeps, arguments.leftovers)
    if not going.runs and not going.folders:
        store.print("there is nothing to delete")
        return 0
    store.print(going.summary())
    if not _confirmed(arguments.yes, "Delete this for good?"):
        return 1
    store.print(store.delete(going))
    return 0


def _check(store: Opened, arguments: argparse.Namespace) -> int:
    if arguments.close:
        store.print(store.close())
    found, table = store.check(not arguments.quick)
    store.print(table)
    return DAMAGED if found else 0


def _export(store: Opened, arguments: argparse.Namespace) -> int:
    store.print(store.export(arguments.sweep, arguments.file))
    return 0


def _import(tracking: Tracking, file: Path) -> int:
    from prunelab.report.console import terminal
    from prunelab.tracking.importing import import_archive

    interruption.listen()
    terminal().print(import_archive(tracking, file), highlight=False, markup=False)
    return 0


def _relocate(tracking: Tracking, arguments: argparse.Namespace) -> int:
    from prunelab.tracking.moving import local_store, mend, relocate

    database, artifacts = local_store(tracking)
    if arguments.folder is None:
        if not database.is_file():
            raise ConfigError(f"there is no store at {database}")
        if not mend(database, artifacts, writing=True, lost_too=True):
            print(f"all artifact addresses of {database} are those of tracking.artifacts={artifacts}")
        return 0
    from prunelab.cli.opened import opened

    store, folder = opened(tracking), arguments.folder.resolve()
    store.refuse_at_work("relocate")
    print(f"{'copy' if arguments.keep else 'move'} {database} and {artifacts} into {folder}")
    if not arguments.keep and not _confirmed(arguments.yes, "Move them?"):
        return 1
    relocate(tracking, folder, arguments.keep)
    print(f"done; give paths.store={folder} to prunelab and its other commands")
    return 0


def _confirmed(yes: bool, question: str) -> bool:
    """Whether a person says yes, or has said so.

    Raises:
        ConfigError: if there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on: confirm with --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
