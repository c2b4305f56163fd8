"""Housekeeping of a store: its contents as tables for the terminal, and what can be done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.filesize import decimal

from prunelab.cli.command import listing, started
from prunelab.config import Tracking
from prunelab.names import Kind
from prunelab.tracking import delete as deletion
from prunelab.tracking.damage import REMEDIES, What, findings
from prunelab.tracking.exporting import export
from prunelab.tracking.inventory import existing_inventory, still_running
from prunelab.tracking.run import Run


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be deleted: runs in the order in which they go, folders that no run owns, and the bytes of both."""

    runs: Sequence[Run]
    folders: Sequence[Path]
    size: int

    def summary(self) -> str:
        """In words."""
        counts = Counter(run.kind for run in self.runs)
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
        self._held = existing_inventory(tracking)

    def refuse_at_work(self, what: str) -> None:
        """Refuse while a run's process may be alive.

        Raises:
            StoreError: naming it.
        """
        busy = self._held.at_work
        if busy is not None:
            raise still_running(what, busy)

    def sweeps(self) -> RenderableType:
        """The sweeps, and how many runs belong to none."""
        table = listing("sweep", "run id", "experiment", "started", "jobs", "status")
        for each in self._held.sweeps:
            sweep = each.run
            state = f"{sweep.status}, process gone" if sweep.is_abandoned else sweep.status
            counts = Counter(job.status for job in each.jobs)
            jobs = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            table.add_row(
                sweep.name, sweep.id, self._held.titles[sweep.experiment_id], started(sweep.started), jobs, state
            )
        rest = f"{len(self._held.single_jobs)} jobs outside of sweeps, {len(self._held.baselines)} baselines"
        return Group(table, rest)

    def sizes(self) -> RenderableType:
        """Bytes of artifacts, the largest sweep first, then what belongs to none, and the database."""
        table = listing("", "runs", "artifacts")
        rows = [(each.run.name, len(each.all), self._bytes(each.all)) for each in self._held.sweeps]
        rows.sort(key=lambda row: -row[2])
        for title, runs in (
            ("baselines", self._held.baselines),
            ("jobs outside of sweeps", self._held.single_jobs),
            ("jobs and curves without their sweep", self._held.orphans),
            ("marked as deleted", self._held.deleted),
        ):
            if runs:
                rows.append((title, len(runs), self._bytes(runs)))
        strays = self._held.artifacts.strays(self._held.runs)
        if strays:
            rows.append(("folders without a run", len(strays), sum(strays.values())))
        for title, count, size in rows:
            table.add_row(title, f"{count:,}", decimal(size))
        table.add_section()
        table.add_row("artifacts in all", "", decimal(sum(size for *_, size in rows)))
        database = self._held.database
        if database is not None:
            table.add_row("database", "", decimal(database.stat().st_size))
        return table

    def doomed(self, sweeps: Sequence[str], leftovers: bool) -> Doomed:
        """What deleting these sweeps, and the leftovers of earlier deletions, would take.

        Raises:
            StoreError: if there is no such sweep, or one is still running.
        """
        runs = deletion.doomed(self._held, sweeps)
        strays: dict[Path, int] = {}
        if leftovers:
            known = {run.id for run in runs}
            runs += [run for run in deletion.leftovers(self._held) if run.id not in known]
            strays = self._held.artifacts.strays(self._held.runs)
        return Doomed(runs, list(strays), self._bytes(runs) + sum(strays.values()))

    def delete(self, going: Doomed) -> str:
        """Delete it; what was done, in words.

        Raises:
            StoreError: if something cannot be deleted; the same command goes on from there.
        """
        outside = [run for run in going.runs if self._held.artifacts.is_outside(run.address)]
        deletion.delete(self._held, going.runs, going.folders)
        database = self._held.database
        words = f"deleted {len(going.runs)} runs"
        if database is None:
            return f"{words}; the server keeps their rows, marked as deleted, until its owner runs mlflow gc"
        if self._held.at_work is None:
            deletion.shrink(database)
        if outside:
            words += f"; artifacts outside of tracking.artifacts stay ({len(outside)} runs, e.g. {outside[0].address})"
        return words

    def export(self, sweep: str, file: Path) -> str:
        """Write a sweep into an archive.

        Raises:
            StoreError: if that cannot be done.
        """
        return export(self._held, sweep, file)

    def close(self) -> str:
        """End as KILLED what dead processes left RUNNING."""
        closed = self._held.close_abandoned()
        self._held = existing_inventory(self._tracking)
        return f"marked {closed} runs as KILLED"

    def check(self, contents: bool) -> tuple[bool, RenderableType]:
        """Whether something is wrong, and what."""
        found = findings(self._held, contents)
        wrong = [finding for finding in found if finding.what is not What.NOTE]
        counted = f"{len(self._held.active):,} runs, {len(self._held.sweeps):,} sweeps"
        if not found:
            return False, f"{counted}: nothing is wrong"
        table = listing("", "where", "what")
        for finding in found:
            table.add_row(finding.what.value, finding.where, finding.words)
        remedies = [f"{what.value}: {words}" for what, words in REMEDIES.items() if any(f.what is what for f in wrong)]
        return bool(wrong), Group(table, f"{counted}: {len(wrong)} findings", *remedies)

    def _bytes(self, runs: Sequence[Run]) -> int:
        return sum(sum(self._held.artifacts.sizes(run).values()) for run in runs if run.kind != Kind.CURVE)
