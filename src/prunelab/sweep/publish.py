"""The results of a sweep, written onto its run and into the curve runs that MLflow charts."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from prunelab import names
from prunelab.names import Kind
from prunelab.report.console import terminal
from prunelab.report.figures import draw
from prunelab.report.findings import findings
from prunelab.report.published import ACCURACY, LOSS, beside
from prunelab.report.results import Results, over_seeds
from prunelab.report.tables import as_markdown, as_rich
from prunelab.report.terminal import accuracy_plot
from prunelab.tracking.read import read_sweep
from prunelab.tracking.store import Recorder, Store

DPI = 130
BESIDE = "Beside the published report (its percentages are our reading)"


def publish(store: Store, run: Recorder, verdicts: Sequence[str] = ()) -> None:
    """Tables, findings and figures of what finished, on the sweep's run, in the curve runs and on the terminal.

    `verdicts` are what a sweep that decides came to; they are kept with it and stand first.

    Raises:
        StoreError: if no job of it finished.
    """
    results = read_sweep(store, run.id)
    table = over_seeds(results.rows)
    comparison = _comparison(results, table)
    if verdicts:
        run.tags({names.VERDICTS: json.dumps(list(verdicts))})
    sentences = [*(verdicts or results.verdicts), *findings(results)]
    run.files(
        {
            names.RESULTS_FILE: results.rows.to_csv(index=False),
            **{f"{names.FIGURES}/{name}.png": _png(figure) for name, figure in draw(results).items()},
        }
    )
    run.description(_description(results, table, comparison, sentences))
    _write_curves(store, run, table)
    console = terminal()
    plain = console.options.ascii_only
    console.print(as_rich(table, results.name, console.width, plain))
    plot = accuracy_plot(table, results.rows[names.BASELINE_ACCURACY].mean())
    if plot is not None:
        console.print(plot)
    if comparison is not None:
        console.print(as_rich(comparison, BESIDE, console.width, plain))
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _description(results: Results, table: pd.DataFrame, comparison: pd.DataFrame | None, sentences: list[str]) -> str:
    parts = ["\n".join(f"- {sentence}" for sentence in sentences), as_markdown(table)]
    if comparison is not None:
        parts += [f"{BESIDE}:", as_markdown(comparison)]
    return "\n\n".join(parts)


def _comparison(results: Results, table: pd.DataFrame) -> pd.DataFrame | None:
    if set(results.rows["data"]) != {"fashion_mnist"}:
        return None
    both = beside(table)
    return None if both is None else both.dropna(subset=[ACCURACY, LOSS], how="all")


def _write_curves(store: Store, run: Recorder, table: pd.DataFrame) -> None:
    """One top-level run per series with step = percentage; those of an earlier report of the sweep are replaced."""
    for old in store.find(Kind.CURVE, **{names.SWEEP_ID: run.id}):
        store.client.delete_run(old.info.run_id)
    for series, part in table.groupby("series", sort=False):
        with store.run(Kind.CURVE, str(series), tags={names.SWEEP_ID: run.id}) as curve:
            for _, row in part.iterrows():
                curve.metrics(
                    {names.CURVE_ACCURACY: row[names.TEST_ACCURACY], names.CURVE_LOSS: row[names.TEST_LOSS]},
                    step=round(row[names.PERCENTAGE]),
                )


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    return buffer.getvalue()
