"""What is wrong with a store: a damaged database, artifacts that are missing or damaged, and what was left behind."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import yaml

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.network.packed import unpack, unpack_kept
from prunelab.tracking.inventory import Inventory
from prunelab.tracking.run import Run


class What(str, Enum):
    """The kinds of findings."""

    MISSING = "missing"
    DAMAGED = "damaged"
    ORPHAN = "orphan"
    ABANDONED = "abandoned"
    STRAY = "stray folder"
    NOTE = "note"


REMEDIES = {
    What.MISSING: "a baseline is trained again when it is next needed; a job: prunelab-reproduce, or run it again",
    What.DAMAGED: "as for missing ones; damaged files are never loaded",
    What.ORPHAN: "prunelab-store delete --leftovers",
    What.ABANDONED: "prunelab-store check --close",
    What.STRAY: "prunelab-store delete --leftovers",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found: of what kind, where, and in words. A note needs no repair."""

    what: What
    where: str
    words: str


def findings(held: Inventory, contents: bool = True) -> list[Finding]:
    """Everything that is wrong; without `contents` artifacts are only listed and measured, not read.

    Raises:
        StoreError: if a server does not answer.
    """
    broken = intact(held.database) if held.database is not None else []
    return [
        *(Finding(What.DAMAGED, "database", words) for words in broken),
        *(finding for run in held.active for finding in _of_run(run, held, contents)),
        *_of_relations(held),
        *(
            Finding(What.STRAY, str(folder), f"no run owns it ({size:,} bytes)")
            for folder, size in held.artifacts.strays(held.runs).items()
        ),
        *_notes(held),
    ]


def intact(database: Path) -> list[str]:
    """What SQLite's own check of pages, indices and references finds; empty if all is well."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            pages = [str(words) for (words,) in connection.execute("pragma quick_check")]
    except sqlite3.Error as error:
        return [str(error)]
    return [words for words in pages if words != "ok"]


def expected(run: Run) -> list[str]:
    """The artifacts that a finished run must have, by its kind and by what it recorded."""
    if run.kind == Kind.SWEEP:
        reported = run.status == "FINISHED" and run.metrics.get(names.JOBS_FINISHED)
        return [names.PLAN_FILE, *([names.RESULTS_FILE, names.REPORT_FILE] if reported else [])]
    if run.status != "FINISHED" or run.kind not in (Kind.JOB, Kind.BASELINE):
        return []
    paths = [names.CONFIG_FILE, names.ENVIRONMENT_FILE]
    if run.kind == Kind.BASELINE:
        paths.append(names.CHECKPOINT)
    elif names.FILE_BYTES in run.metrics:
        paths.append(names.NETWORK_FILE)
    return paths + [path for path, tag in names.DIGESTS.items() if tag in run.tags and path not in paths]


def complaint(run: Run, path: str, content: bytes) -> str | None:
    """Why an artifact is not what was recorded; None if it is. Nothing in it is executed."""
    recorded = run.tags.get(names.DIGESTS.get(path, ""))
    if recorded is not None:
        found = hashlib.sha256(content).hexdigest()
        return None if found == recorded else f"SHA-256 {found[:12]}..., recorded {recorded[:12]}..."
    try:
        if path == names.NETWORK_FILE and len(content) != run.metrics.get(names.FILE_BYTES, len(content)):
            return f"{len(content):,} bytes, recorded {run.metrics[names.FILE_BYTES]:,.0f}"
        _READERS.get(path, _anything)(content)
    except (StoreError, ValueError, yaml.YAMLError) as error:
        return str(error).partition("\n")[0]
    return None


def _of_run(run: Run, held: Inventory, contents: bool) -> list[Finding]:
    found = []
    if run.is_abandoned and run.kind != names.IMPORTING:
        found.append(Finding(What.ABANDONED, str(run), "RUNNING, and its process is gone"))
    wanted = expected(run)
    there = held.artifacts.sizes(run) if wanted else {}
    for path in wanted:
        if path not in there:
            found.append(Finding(What.MISSING, str(run), path))
        elif contents or not there[path]:
            try:
                words = complaint(run, path, held.artifacts.read(run, path))
            except StoreError as error:
                words = str(error)
            if words is not None:
                found.append(Finding(What.DAMAGED, str(run), f"{path}: {words}"))
    return found


def _of_relations(held: Inventory) -> list[Finding]:
    baselines = {run.id for run in held.baselines}
    return [
        *(
            Finding(What.ORPHAN, str(run), f"its sweep {run.sweep} is not in the store any more")
            for run in held.orphans
        ),
        *(
            Finding(What.ORPHAN, f"run {run.id}", f"{run.name}: an import of it was interrupted")
            for run in held.broken_imports
        ),
        *(
            Finding(What.MISSING, str(run), f"its baseline, run {run.baseline}")
            for run in held.active
            if run.kind == Kind.JOB and run.baseline is not None and run.baseline not in baselines
        ),
    ]


def _notes(held: Inventory) -> list[Finding]:
    found = []
    if held.deleted:
        words = f"{len(held.deleted)} are only marked as deleted (prunelab-store delete --leftovers)"
        found.append(Finding(What.NOTE, "runs", words))
    outside = [run for run in held.active if held.artifacts.is_outside(run.address)]
    if outside:
        words = f"{len(outside)} have their artifacts outside of tracking.artifacts: {outside[0].address}"
        found.append(Finding(What.NOTE, "runs", words))
    return found


def _anything(content: bytes) -> object:
    if not content:
        raise ValueError("it is empty")
    return content


_READERS: Mapping[str, Callable[[bytes], object]] = {
    names.NETWORK_FILE: unpack,
    names.KEPT_FILE: unpack_kept,
    names.CONFIG_FILE: lambda content: yaml.safe_load(_anything(content)),  # type: ignore[arg-type]
    names.ENVIRONMENT_FILE: json.loads,
    names.PLAN_FILE: json.loads,
}
