"""Housekeeping of a store: its contents as tables for the terminal, and what can be done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.tracking import MlflowClient
from rich.console import Group, RenderableType
from rich.filesize import decimal

from prunelab import names
from prunelab.cli.command import listing, started
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking import delete as deletion
from prunelab.tracking.addresses import sqlite_file
from prunelab.tracking.artifacts import Artifacts
from prunelab.tracking.damage import REMEDIES, Finding, What, findings
from prunelab.tracking.existing import existing_experiments
from prunelab.tracking.exporting import export
from prunelab.tracking.integrity import intact
from prunelab.tracking.inventory import Entry, Inventory, inventory

CLOSED = "**Killed**: its process was gone when the store was checked."


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be deleted: runs in the order in which they go, folders that no run owns, and the bytes of both."""

    entries: Sequence[Entry]
    folders: Sequence[Path]
    size: int

    def summary(self) -> str:
        """In words."""
        counts = Counter(entry.kind for entry in self.entries)
        parts = [f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items()]
        parts += [f"{len(self.folders)} folders without a run"] if self.folders else []
        return f"to delete: {', '.join(parts)}; {decimal(self.size)} of artifacts"


class Housekeeping:
    """Everything a store holds, read once.

    Raises:
        StoreError: if there is no store where `tracking` says.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._experiments = existing_experiments(tracking)
        self._client = MlflowClient(tracking.uri)
        self._held: Inventory = inventory(self._client, self._experiments)
        root = tracking.artifacts if sqlite_file(tracking.uri) is not None else None
        self._artifacts = Artifacts(self._client, self._experiments, root)

    def refuse_at_work(self, what: str) -> None:
        """Refuse while a run's process may be alive.

        Raises:
            StoreError: naming it.
        """
        busy = next((entry for entry in self._held.active if entry.is_at_work), None)
        if busy is not None:
            raise StoreError(
                f"{what} is refused: {busy.kind} {busy.name} is still running (process "
                f"{busy.tags.get('process.pid')} on {busy.tags.get('process.host')})"
            )

    def sweeps(self) -> RenderableType:
        """The sweeps, and how many runs belong to none."""
        table = listing("sweep", "run id", "experiment", "started", "jobs", "status")
        for each in self._held.sweeps:
            sweep = each.sweep
            state = f"{sweep.status}, process gone" if sweep.is_abandoned else sweep.status
            counts = Counter(job.status for job in each.jobs)
            jobs = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            table.add_row(sweep.name, sweep.id, sweep.experiment, started(sweep.started), jobs, state)
        rest = f"{len(self._held.single_jobs)} jobs outside of sweeps, {len(self._held.baselines)} baselines"
        return Group(table, rest)

    def sizes(self) -> RenderableType:
        """Bytes of artifacts, the largest sweep first, then what belongs to none, and the database."""
        table = listing("", "runs", "artifacts")
        rows = [(each.sweep.name, len(each.all), self._bytes(each.all)) for each in self._held.sweeps]
        rows.sort(key=lambda row: -row[2])
        for title, entries in (
            ("baselines", self._held.baselines),
            ("jobs outside of sweeps", self._held.single_jobs),
            ("jobs and curves without their sweep", self._held.orphans),
            ("marked as deleted", self._held.deleted),
        ):
            if entries:
                rows.append((title, len(entries), self._bytes(entries)))
        strays = self._artifacts.strays(self._held.entries)
        if strays:
            rows.append(("folders without a run", len(strays), sum(strays.values())))
        for title, count, size in rows:
            table.add_row(title, f"{count:,}", decimal(size))
        table.add_section()
        table.add_row("artifacts in all", "", decimal(sum(size for *_, size in rows)))
        database = sqlite_file(self._tracking.uri)
        if database is not None:
            table.add_row("database", "", decimal(database.stat().st_size))
        return table

    def doomed(self, sweeps: Sequence[str], leftovers: bool) -> Doomed:
        """What deleting these sweeps, and the leftovers of earlier deletions, would take.

        Raises:
            StoreError: if there is no such sweep, or one is still running.
        """
        entries = deletion.doomed(self._held, sweeps)
        strays: dict[Path, int] = {}
        if leftovers:
            known = {entry.id for entry in entries}
            entries += [entry for entry in deletion.leftovers(self._held) if entry.id not in known]
            strays = self._artifacts.strays(self._held.entries)
        return Doomed(entries, list(strays), self._bytes(entries) + sum(strays.values()))

    def delete(self, going: Doomed) -> str:
        """Delete it; what was done, in words.

        Raises:
            StoreError: if something cannot be deleted; the same command goes on from there.
        """
        outside = [entry for entry in going.entries if self._artifacts.is_outside(entry.address)]
        deletion.delete(self._client, self._tracking.uri, self._artifacts, going.entries)
        deletion.delete_folders(going.folders)
        deletion.repoint(self._client, self._experiments, going.entries, self._held)
        database = sqlite_file(self._tracking.uri)
        words = f"deleted {len(going.entries)} runs"
        if database is None:
            return f"{words}; the server keeps their rows, marked as deleted, until its owner runs mlflow gc"
        if not any(entry.is_at_work for entry in self._held.active):
            deletion.shrink(database)
        if outside:
            words += f"; artifacts outside of tracking.artifacts stay: those of {len(outside)}, {outside[0].address}"
        return words

    def export(self, sweep: str, file: Path) -> str:
        """Write a sweep into an archive.

        Raises:
            StoreError: if that cannot be done.
        """
        return export(self._client, self._tracking.uri, self._artifacts, self._held, sweep, file)

    def close(self) -> str:
        """End as KILLED what dead processes left RUNNING."""
        abandoned = [entry for entry in self._held.active if entry.is_abandoned]
        for entry in abandoned:
            self._client.set_tag(entry.id, names.NOTE, CLOSED)
            self._client.set_terminated(entry.id, "KILLED")
        self._held = inventory(self._client, self._experiments)
        return f"ended {len(abandoned)} runs as KILLED"

    def check(self, contents: bool) -> tuple[bool, RenderableType]:
        """Whether something is wrong, and what."""
        database = sqlite_file(self._tracking.uri)
        broken = intact(database) if database is not None else []
        found = [Finding(What.DAMAGED, "database", words) for words in broken]
        found += findings(self._held, self._artifacts, contents)
        wrong = [finding for finding in found if finding.what is not What.NOTE]
        counted = f"{len(self._held.active):,} runs, {len(self._held.sweeps):,} sweeps"
        if not found:
            return False, f"{counted}: nothing is wrong"
        table = listing("", "where", "what")
        for finding in found:
            table.add_row(finding.what.value, finding.where, finding.words)
        remedies = [f"{what.value}: {words}" for what, words in REMEDIES.items() if any(f.what is what for f in wrong)]
        return bool(wrong), Group(table, f"{counted}: {len(wrong)} findings", *remedies)

    def _bytes(self, entries: Sequence[Entry]) -> int:
        return sum(sum(self._artifacts.sizes(entry).values()) for entry in entries if entry.kind != Kind.CURVE)
