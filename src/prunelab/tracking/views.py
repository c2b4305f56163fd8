"""Views of an experiment in the MLflow UI, saved as tags of the experiment.

A view is one tag: JSON with a name, a time, and the state of the runs page, in the words of MLflow's own front end
(ExperimentPageUIState, RunsChartsLineCardConfig). The keys are fixed, so that what is published again replaces it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from prunelab import names
from prunelab.names import Kind
from prunelab.tracking.addresses import redacted, sqlite_file

if TYPE_CHECKING:
    from prunelab.tracking.run import Run

PREFIX = "mlflow.sharedViewState."
COMPARISON, JOBS, RUNS = "prunelab-comparison", "prunelab-jobs", "prunelab-runs"
"""The views: the curves of a sweep, its jobs by percentage, and all sweeps."""
OF_SWEEP = (PREFIX + COMPARISON, PREFIX + JOBS)
"""The tags of those that show one sweep."""
CURVES_ONLY = f"tags.{names.KIND} = '{Kind.CURVE.value}'"
NO_CURVES = f"tags.{names.KIND} != '{Kind.CURVE.value}'"
COLUMNS = (
    *(f"params.`{name}`" for name in ("method", "percentage", "recovery", "seed")),
    *(f"metrics.`{name}`" for name in (names.TEST_ACCURACY, names.TEST_LOSS, names.ACCURACY_DROP)),
    *(f"metrics.`{name}`" for name in (names.COMPRESSION_RATIO, names.THEORETICAL_SPEEDUP)),
)
"""Columns of the tables: settings, then results."""


def tags(sweep: Run) -> dict[str, str]:
    """The tags of a sweep's experiment: the views, those of one sweep being of this one, and the text above them."""
    return {
        PREFIX + COMPARISON: _view(f"Comparison: {sweep.name}", sweep.started, _comparison(sweep)),
        PREFIX + JOBS: _view(f"Jobs: {sweep.name}", sweep.started, _jobs(sweep)),
        PREFIX + RUNS: _view("Sweeps and their jobs", sweep.started, _runs()),
        names.NOTE: _note(sweep.experiment_id),
    }


def comparison_address(server: str, experiment_id: str, known: Mapping[str, str]) -> str:
    """The page that draws every method's curve in one chart: the saved view, or all curves where none is saved."""
    return _address(server, experiment_id, {**_query(COMPARISON, known, CURVES_ONLY), "compareRunsMode": "CHART"})


def command(uri: str, experiment_name: str | None) -> str:
    """The command that opens the comparison from the current folder; None: of the experiment with the newest sweep."""
    database = sqlite_file(uri)
    words = [_ui()]
    if database is None:
        words += ["tracking=server", f"tracking.uri={redacted(uri)}"]
    elif database != Path.cwd() / "mlruns" / "mlflow.db":
        words.append(f"tracking.uri={uri}")
    if experiment_name is not None:
        words.append(f"tracking.experiment_name={experiment_name}")
    return shlex.join(words)


def _ui() -> str:
    """`prunelab-ui`, with its folder where that is not on the path."""
    name, here = "prunelab-ui", Path.cwd()
    if shutil.which(name):
        return name
    file = Path(sys.executable).parent / name
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def runs_address(server: str, experiment_id: str, known: Mapping[str, str]) -> str:
    """The table of baselines and sweeps, the jobs of a sweep grouped under it."""
    return _address(server, experiment_id, _query(RUNS, known, NO_CURVES))


def _query(key: str, known: Mapping[str, str], search: str) -> dict[str, str]:
    return {"viewStateShareKey": key} if PREFIX + key in known else {"searchFilter": search}


def _address(server: str, experiment_id: str, query: Mapping[str, str]) -> str:
    # Without being told, the UI shows every experiment as one of language models, whatever its kind.
    return f"{server}/#/experiments/{experiment_id}/runs?{urlencode({**query, 'workflowType': 'machine_learning'})}"


def _note(experiment_id: str) -> str:
    known = {PREFIX + COMPARISON: "", PREFIX + RUNS: ""}
    comparison = comparison_address("", experiment_id, known).removeprefix("/")  # wherever the server is
    jobs = _address("", experiment_id, {"viewStateShareKey": JOBS}).removeprefix("/")
    runs = runs_address("", experiment_id, known).removeprefix("/")
    return f"""\
Look at [the comparison]({comparison}), [its jobs by percentage]({jobs}) or [the sweeps and their jobs]({runs}).

The tag `{names.KIND}` says what a run is:

| {names.KIND} | what it is |
| --- | --- |
| `{Kind.BASELINE.value}` | a training of the unpruned network |
| `{Kind.SWEEP.value}` | the parent of its jobs: table and findings in its description, figures in its artifacts |
| `{Kind.JOB.value}` | one method at one percentage |
| `{Kind.CURVE.value}` | a method's line in the comparison: its step is the percentage removed |
"""


def _view(name: str, created: int, state: Mapping[str, object]) -> str:
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": json.dumps(state)})


def _comparison(sweep: Run) -> dict[str, object]:
    section = {
        "uuid": "curves",
        "name": "Step = percentage removed",
        "display": True,
        "isReordered": True,
        "columns": 2,
        "cardHeight": 380,
    }
    return {
        **_page(f"{CURVES_ONLY} and tags.{names.SWEEP_ID} = '{sweep.id}'"),
        "orderByAsc": True,  # as in the sweep's table
        "compareRunCharts": [
            _lines("curves", names.CURVE_ACCURACY, names.UNPRUNED_ACCURACY),
            _lines("curves", names.CURVE_LOSS, names.UNPRUNED_LOSS),
        ],
        "compareRunSections": [section],
        "isAccordionReordered": True,
    }


def _jobs(sweep: Run) -> dict[str, object]:
    """MLflow sorts by one key alone, and the children of a run by their creation."""
    jobs = _page(f"tags.`{names.PARENT}` = '{sweep.id}'")
    return {**jobs, **_TABLE, "orderByKey": f"metrics.`{names.PERCENTAGE}`", "orderByAsc": True}


def _runs() -> dict[str, object]:
    return {**_page(NO_CURVES), **_TABLE}


_TABLE = {"selectedColumns": COLUMNS, "columnOrder": COLUMNS}


def _page(search: str) -> dict[str, object]:
    return {
        "searchFilter": search,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "runsHiddenMode": "SHOW_ALL",  # left to itself the UI draws ten runs
    }


def _lines(section: str, metric: str, unpruned: str) -> dict[str, object]:
    """A chart with a line for each method, and dashed ones for the unpruned networks."""
    return {
        "uuid": metric,
        "type": "LINE",
        "metricSectionId": section,
        "metricKey": metric,
        "selectedMetricKeys": [metric, unpruned],
        "xAxisKey": "step",
        "useGlobalXaxisKey": False,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "yAxisKey": "metric",
        "lineSmoothness": 0,
        "useGlobalLineSmoothing": False,
        "displayPoints": True,
        "range": {},
        "deleted": False,
        "isGenerated": False,
    }
