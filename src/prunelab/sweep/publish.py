"""The results of a sweep, written onto its run and into the curve runs that MLflow charts."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from prunelab import names
from prunelab.names import Kind
from prunelab.report.console import terminal
from prunelab.report.outcome import outcome_of
from prunelab.tracking.read import read_sweep
from prunelab.tracking.store import Recorder, Store

LONGEST = 8000
"""Characters that MLflow keeps of a description."""
MORE = f"\n\nThe rest is in {names.RESULTS_FILE}."


def publish(store: Store, run: Recorder, verdicts: Sequence[str] = ()) -> None:
    """Tables, findings and figures of what finished, on the sweep's run, in the curve runs and on the terminal.

    `verdicts` are what a sweep that decides came to; they are kept with it and stand first.

    Raises:
        StoreError: if no job of it finished.
    """
    outcome = outcome_of(read_sweep(store, run.id), verdicts)
    if verdicts:
        run.tags({names.VERDICTS: json.dumps(list(verdicts))})
    run.files(outcome.files())
    run.description(_fitting(outcome.markdown()))
    _write_curves(store, run, outcome.table)
    outcome.say(terminal())


def _fitting(markdown: str) -> str:
    """As many whole lines as a description can hold."""
    if len(markdown) <= LONGEST:
        return markdown
    return markdown[: LONGEST - len(MORE)].rpartition("\n")[0] + MORE


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
