"""Compares recorded sweeps on the same axes and writes the comparison into a folder; the store is not changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prunelab import names
from prunelab.cli.command import listing
from prunelab.errors import ConfigError, StoreError
from prunelab.report.bars import Bars
from prunelab.report.console import PLAIN, terminal
from prunelab.report.outcome import Outcome
from prunelab.report.results import together
from prunelab.sweep.difference import changed
from prunelab.sweep.results import read_pictures, read_provenance, read_results
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

MARKER = "comparison.json"
"""Says that prunelab wrote the folder, of which sweeps, and which files, so that it may replace them."""
TEXT = "comparison.md"


def compare(store: Store, sweeps: Sequence[Run], folder: Path, bars: Bars = Bars.INTERVAL) -> None:
    """Tables, figures and findings of all sweeps together, and how their configurations differ.

    Raises:
        StoreError: if no job of one of them finished.
        ConfigError: if the folder holds something else.
    """
    refuse_foreign(folder)
    recorded = [store.sweep(sweep.id) for sweep in sweeps]
    every = [read_results(store, each, bars) for each in recorded]
    results, changes = every[0], _changes(store, sweeps)
    if len(every) == 1:
        outcome = Outcome(results, read_provenance(store, recorded[0]), read_pictures(store, results))
        labels = [results.name]
    else:
        results = replace(together(every), bars=bars)
        outcome = Outcome(results)
        labels = list(dict.fromkeys(results.rows[names.SWEEP_COLUMN]))
    parts = [f"# {results.name}", *([_as_markdown(labels, changes)] if len(every) > 1 else []), outcome.markdown()]
    ids = {label: sweep.id for label, sweep in zip(labels, sweeps, strict=True)}
    _write(folder, {**outcome.files(), TEXT: "\n\n".join(parts) + "\n"}, ids)
    console = terminal()
    outcome.say(console)
    if changes:
        table = listing("key", *labels, title="How the configurations differ")
        for key, texts in changes.items():
            table.add_row(key, *texts)
        console.print(table)
    console.print(f"report: {folder / names.REPORT_FILE}", **PLAIN)


def refuse_foreign(folder: Path) -> None:
    """Refuse to write into a folder that holds what prunelab-report did not write.

    Raises:
        ConfigError: naming it.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--output {folder} is refused: it is a file; it takes a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise ConfigError(
            f"--output {folder} is refused: it contains files that prunelab-report did not write; "
            "it accepts a new or empty folder, or that of an earlier comparison"
        )


def _changes(store: Store, sweeps: Sequence[Run]) -> dict[str, list[str]]:
    """What the plans of the sweeps differ in; nothing if one of them is not recorded."""
    try:
        return changed([json.loads(store.read(sweep.id, names.PLAN_FILE)) for sweep in sweeps])
    except (StoreError, ValueError):
        return {}


def _as_markdown(labels: Sequence[str], changes: Mapping[str, Sequence[str]]) -> str:
    if not changes:
        return "No difference in configuration is recorded."
    rows = [["configuration", *labels], ["---"] * (len(labels) + 1), *([key, *t] for key, t in changes.items())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _write(folder: Path, files: Mapping[str, str | bytes], ids: Mapping[str, str]) -> None:
    """The files, instead of those of an earlier comparison."""
    marker = folder / MARKER
    if marker.is_file():
        for old in _files_of(marker):
            if (folder / old).resolve().is_relative_to(folder.resolve()):
                (folder / old).unlink(missing_ok=True)
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    marker.write_text(json.dumps({"sweeps": dict(ids), "files": list(files)}, indent=1))


def _files_of(marker: Path) -> list[str]:
    try:
        return [str(path) for path in json.loads(marker.read_text())["files"]]
    except (ValueError, KeyError, TypeError):
        return []
