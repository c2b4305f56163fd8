"""Publishes the results of a sweep: on its run, and as the curve runs that MLflow charts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from prunelab import names
from prunelab.names import Kind
from prunelab.report.bars import Bars
from prunelab.report.console import PLAIN, terminal
from prunelab.report.looks import looks
from prunelab.report.outcome import Outcome, cut
from prunelab.sweep.results import read_pictures, read_provenance, read_results
from prunelab.tracking import views
from prunelab.tracking.addresses import folder_of
from prunelab.tracking.recorder import Recorder
from prunelab.tracking.run import SweepRuns
from prunelab.tracking.store import Store

UNPRUNED = (names.UNPRUNED_ACCURACY, names.UNPRUNED_LOSS)


def publish(
    store: Store, run: Recorder, sweep: SweepRuns, verdicts: Sequence[str] = (), bars: Bars = Bars.INTERVAL
) -> None:
    """Report what finished, as page, tables, findings and figures: on the sweep's run, as curve runs, on the terminal.

    `run` is the sweep's, and written to. `verdicts` are those of an adaptive sweep; they are recorded and come first.
    `bars`: how the spread over seeds is shown.

    Raises:
        StoreError: if no job of it finished.
    """
    results = read_results(store, sweep, bars)
    if verdicts:
        run.tags({names.VERDICTS: json.dumps(list(verdicts))})
        results = replace(results, verdicts=tuple(verdicts))
    outcome = Outcome(results, read_provenance(store, sweep), read_pictures(store, results))
    run.files(outcome.files())
    run.description(cut(outcome.markdown()))
    _write_curves(store, run, results.table)
    store.tag_experiment(views.tags(sweep.run))
    console = terminal()
    outcome.say(console)
    console.print(f"report: {_page(store, run.id)}; {_ui(store)} opens the comparison", **PLAIN)


def _ui(store: Store) -> str:
    """The command that opens the comparison; it names the experiment where another one has the newest sweep."""
    is_newest = store.everywhere().newest().experiment_id == store.experiment_id
    return views.command(store.tracking.uri, None if is_newest else store.experiments[store.experiment_id])


def _page(store: Store, run_id: str) -> str:
    """Where the page is: its file, or the run that has it on a server."""
    folder = folder_of(store.get(run_id).address)
    if folder is None:
        return f"{names.REPORT_FILE} among the artifacts of run {run_id} on {store.address}"
    file = folder / names.REPORT_FILE
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def _write_curves(store: Store, run: Recorder, table: pd.DataFrame) -> None:
    """One top-level run per series with step = percentage; those of an earlier report of the sweep are replaced.

    The first of those that started from the same baseline also has the line of the unpruned network.
    """
    for old in store.find(Kind.CURVE, **{names.SWEEP_ID: run.id}):
        store.delete(old.id)
    colours = _colours(table["series"].unique())
    unpruned: set[tuple[float, float]] = set()
    for series, part in table.groupby("series", sort=False):
        tags = {names.SWEEP_ID: run.id, **colours.get(str(series), {})}
        baseline = part[names.BASELINE_ACCURACY].iloc[0], part[names.BASELINE_LOSS].iloc[0]
        line = {} if baseline in unpruned else dict(zip(UNPRUNED, baseline, strict=True))
        unpruned.add(baseline)
        with store.run(Kind.CURVE, str(series), tags=tags) as curve:
            for _, row in part.iterrows():
                point = {names.CURVE_ACCURACY: row[names.TEST_ACCURACY], names.CURVE_LOSS: row[names.TEST_LOSS]}
                curve.metrics({**point, **line}, step=round(row[names.PERCENTAGE]))


def _colours(series: Iterable[str]) -> dict[str, dict[str, str]]:
    """Tags with the colours of the figures; of series that differ in their dashes alone, the first gets it."""
    first: dict[str, str] = {}
    for name, look in looks(series).items():
        first.setdefault(look["color"], name)
    return {name: {names.COLOUR: colour} for colour, name in first.items()}
