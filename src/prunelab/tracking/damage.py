"""What is wrong with a store: artifacts that are missing or damaged, and what was left behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import yaml

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.network.packed import unpack, unpack_kept
from prunelab.tracking.artifacts import Artifacts
from prunelab.tracking.inventory import Entry, Inventory


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
    What.DAMAGED: "as for missing ones; what is damaged is never loaded",
    What.ORPHAN: "prunelab-store delete --leftovers",
    What.ABANDONED: "prunelab-store check --close",
    What.STRAY: "prunelab-store delete --leftovers",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found: of what kind, where, and in words. A note is nothing to mend."""

    what: What
    where: str
    words: str


def expected(entry: Entry) -> list[str]:
    """The artifacts that a finished run must have, by its kind and by what it recorded."""
    if entry.kind == Kind.SWEEP:
        reported = entry.status == "FINISHED" and entry.metrics.get(names.JOBS_FINISHED)
        return [names.PLAN_FILE, *([names.RESULTS_FILE, names.REPORT_FILE] if reported else [])]
    if entry.status != "FINISHED" or entry.kind not in (Kind.JOB, Kind.BASELINE):
        return []
    paths = [names.CONFIG_FILE, names.ENVIRONMENT_FILE]
    if entry.kind == Kind.BASELINE:
        paths.append(names.CHECKPOINT)
    elif names.FILE_BYTES in entry.metrics:
        paths.append(names.NETWORK_FILE)
    return paths + [path for path, tag in names.DIGESTS.items() if tag in entry.tags and path not in paths]


def complaint(entry: Entry, path: str, content: bytes) -> str | None:
    """Why an artifact is not what was recorded; None if it is. Nothing in it is executed."""
    recorded = entry.tags.get(names.DIGESTS.get(path, ""))
    if recorded is not None:
        found = hashlib.sha256(content).hexdigest()
        return None if found == recorded else f"SHA-256 {found[:12]}..., recorded {recorded[:12]}..."
    try:
        if path == names.NETWORK_FILE and len(content) != entry.metrics.get(names.FILE_BYTES, len(content)):
            return f"{len(content):,} bytes, recorded {entry.metrics[names.FILE_BYTES]:,.0f}"
        _READERS.get(path, _anything)(content)
    except (StoreError, ValueError, yaml.YAMLError) as error:
        return str(error).partition("\n")[0]
    return None


def findings(held: Inventory, artifacts: Artifacts, contents: bool = True) -> list[Finding]:
    """Everything that is wrong; without `contents` files are only counted and measured, not read.

    Raises:
        StoreError: if a server does not answer.
    """
    return [
        *(finding for entry in held.active for finding in _of_run(entry, artifacts, contents)),
        *_of_relations(held),
        *(
            Finding(What.STRAY, str(folder), f"no run owns it ({size:,} bytes)")
            for folder, size in artifacts.strays(held.entries).items()
        ),
        *_notes(held, artifacts),
    ]


def _of_run(entry: Entry, artifacts: Artifacts, contents: bool) -> list[Finding]:
    found = []
    if entry.is_abandoned and entry.kind != names.IMPORTING:
        found.append(Finding(What.ABANDONED, _named(entry), "RUNNING, and its process is gone"))
    wanted = expected(entry)
    there = artifacts.sizes(entry) if wanted else {}
    for path in wanted:
        if path not in there:
            found.append(Finding(What.MISSING, _named(entry), path))
        elif contents or not there[path]:
            try:
                words = complaint(entry, path, artifacts.read(entry, path))
            except StoreError as error:
                words = f"it cannot be read: {error}"
            if words is not None:
                found.append(Finding(What.DAMAGED, _named(entry), f"{path}: {words}"))
    return found


def _of_relations(held: Inventory) -> list[Finding]:
    baselines = {entry.id for entry in held.baselines}
    found = [
        Finding(What.ORPHAN, _named(entry), f"its sweep {entry.sweep} is not in the store any more")
        for entry in held.orphans
    ]
    found += [
        Finding(What.ORPHAN, f"run {entry.id}", f"{entry.name}: an import of it was interrupted")
        for entry in held.active
        if entry.kind == names.IMPORTING and not entry.is_at_work
    ]
    for entry in held.active:
        if entry.kind == Kind.JOB and entry.baseline is not None and entry.baseline not in baselines:
            found.append(Finding(What.MISSING, _named(entry), f"its baseline, run {entry.baseline}"))
    return found


def _notes(held: Inventory, artifacts: Artifacts) -> list[Finding]:
    found = []
    if held.deleted:
        words = f"{len(held.deleted)} are only marked as deleted (prunelab-store delete --leftovers)"
        found.append(Finding(What.NOTE, "runs", words))
    outside = [entry for entry in held.active if artifacts.is_outside(entry.address)]
    if outside:
        words = f"{len(outside)} have their artifacts outside of tracking.artifacts: {outside[0].address}"
        found.append(Finding(What.NOTE, "runs", words))
    return found


def _named(entry: Entry) -> str:
    return f"{entry.kind} {entry.name} (run {entry.id})"


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
