"""The results of a sweep, written onto its run and into the curve runs that MLflow charts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from prunelab import names
from prunelab.names import Kind
from prunelab.report.console import terminal
from prunelab.report.describe import BESIDE, describe, sentences
from prunelab.report.figures import draw, looks
from prunelab.report.page import page
from prunelab.report.published import comparison
from prunelab.report.results import Results, over_seeds
from prunelab.report.tables import as_rich
from prunelab.report.terminal import accuracy_plot
from prunelab.tracking import views
from prunelab.tracking.read import read_pictures, read_provenance, read_sweep
from prunelab.tracking.store import Recorder, Store

DPI = 130


def publish(store: Store, run: Recorder, verdicts: Sequence[str] = ()) -> None:
    """Page, tables, findings and figures of what finished: on the sweep's run, in the curve runs, on the terminal.

    `verdicts` are what a sweep that decides came to; they are kept with it and stand first.

    Raises:
        StoreError: if no job of it finished.
    """
    results = read_sweep(store, run.id)
    if verdicts:
        run.tags({names.VERDICTS: json.dumps(list(verdicts))})
        results = replace(results, verdicts=tuple(verdicts))
    table = over_seeds(results.rows)
    published = comparison(results.rows, table)
    pictures = read_pictures(store, results)
    figures = {name: _png(figure) for name, figure in draw(results, pictures).items()}
    sheet = page(results, read_provenance(store, run.id), pictures, still=figures["accuracy"])
    run.files(
        {
            names.RESULTS_FILE: results.rows.to_csv(index=False),
            names.REPORT_FILE: sheet.encode(),
            **{f"{names.FIGURES}/{name}.png": png for name, png in figures.items()},
        }
    )
    run.description(describe(results, table, published))
    _write_curves(store, run, table)
    sweep = store.client.get_run(run.id).info
    store.tag_experiment(views.tags(views.PublishedSweep(run.id, results.name, sweep.start_time), store.experiment_id))
    _print(results, table, published)


def _print(results: Results, table: pd.DataFrame, published: pd.DataFrame | None) -> None:
    console = terminal()
    plain = console.options.ascii_only
    console.print(as_rich(table, results.name, console.width, plain))
    plot = accuracy_plot(table, results.rows[names.BASELINE_ACCURACY].mean())
    if plot is not None:
        console.print(plot)
    if published is not None:
        console.print(as_rich(published, BESIDE, console.width, plain))
    for sentence in sentences(results):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _write_curves(store: Store, run: Recorder, table: pd.DataFrame) -> None:
    """One top-level run per series with step = percentage; those of an earlier report of the sweep are replaced."""
    for old in store.find(Kind.CURVE, **{names.SWEEP_ID: run.id}):
        store.client.delete_run(old.info.run_id)
    colours = _colours(table["series"].unique())
    for series, part in table.groupby("series", sort=False):
        tags = {names.SWEEP_ID: run.id, **colours.get(str(series), {})}
        with store.run(Kind.CURVE, str(series), tags=tags) as curve:
            for _, row in part.iterrows():
                curve.metrics(
                    {names.CURVE_ACCURACY: row[names.TEST_ACCURACY], names.CURVE_LOSS: row[names.TEST_LOSS]},
                    step=round(row[names.PERCENTAGE]),
                )


def _colours(series: Iterable[str]) -> dict[str, dict[str, str]]:
    """Tags that draw a series as the figures do; where they tell it by its dashes, MLflow has to choose a colour."""
    first: dict[str, str] = {}
    for name, look in looks(series).items():
        first.setdefault(look["color"], name)
    return {name: {names.COLOUR: colour} for colour, name in first.items()}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    return buffer.getvalue()
