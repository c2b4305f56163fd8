"""The page of a sweep: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from prunelab import names
from prunelab.report.bars import LEVEL
from prunelab.report.chart import Chart, HeatMap
from prunelab.report.charts import against_percentage, learning_curves, shared_axes, survivors
from prunelab.report.draw_plotly import DASH_NAMES, SYMBOLS, plotly
from prunelab.report.findings import findings
from prunelab.report.looks import ON_DARK, looks, shades
from prunelab.report.page_tables import DROPS, differences, kept
from prunelab.report.pictures import DETAIL, Picture, detail_png, filters_png, matrix_png, pixels_png
from prunelab.report.provenance import Provenance
from prunelab.report.published import comparison
from prunelab.report.report_seeds import said_of_seeds
from prunelab.report.results import Results
from prunelab.report.series import PERCENTAGE_OF
from prunelab.report.speed import measured_with
from prunelab.report.tables import MOST_ROWS, WITH_BARS, sheet
from prunelab.report.verdict import verdicts
from prunelab.report.which_file import which_file


def page(
    results: Results,
    provenance: Provenance | None = None,
    pictures: Sequence[Picture] = (),
    still: bytes | None = None,
) -> str:
    """The page as HTML. `still` is a PNG of the accuracies, for readers without JavaScript."""
    published, choice, layers = comparison(results), which_file(results.table), survivors(results)
    charts: dict[str, Sequence[Chart | HeatMap]] = {
        "percentage": against_percentage(results),
        "shared": shared_axes(results),
        "files": [] if choice is None else choice.charts,
        "lines": [chart for chart in layers if isinstance(chart, Chart)],
        "maps": [chart for chart in layers if isinstance(chart, HeatMap)],
        "training": learning_curves(results.curves),
    }
    alike = _by_layers(layers)
    on_dark = {light: dark for each in alike for _, light, dark in each["layers"]}
    return _template().render(
        results=results,
        facts=_facts(results.rows, len(results.parts)),
        verdicts=verdicts(results),
        findings=findings(results),
        differences=differences(results),
        bars=results.bars.words if results.seeds > 1 else "",
        level=f"{100 * LEVEL:g}%",
        over_seeds=said_of_seeds(results.table),
        kept=kept(results),
        drops=[f"{100 * drop:g}" for drop in DROPS],
        charts=charts,
        choice=choice,
        runtime=measured_with(results.rows),
        left_out=len(results.parts) - len(results.drawn),
        left_out_of_shared=len(results.table) - len(results.alive),
        key_of_series=_key(results.drawn),
        detail=DETAIL,
        alike=alike,
        of_units=set(results.labelled[PERCENTAGE_OF]) == {"units"},
        figures={
            "plots": {chart.name: plotly(chart) for group in charts.values() for chart in group},
            "onDark": ON_DARK | on_dark,
        },
        pictures=_by_layer_and_percentage(pictures),
        table=sheet(results.table, with_bars=WITH_BARS),
        published=None if published is None else sheet(published, with_bars=WITH_BARS),
        provenance=provenance,
        still=None if still is None else base64.b64encode(still).decode(),
    )


def _facts(rows: pd.DataFrame, series: int) -> list[str]:
    """What the sweep consisted of."""
    counted = [
        (len(rows), "job", "jobs"),
        (series, "series", "series"),
        (rows[names.PERCENTAGE].nunique(), "percentage", "percentages"),
        (rows["seed"].nunique(), "seed", "seeds"),
    ]
    return [
        *(f"{count:,} {one if count == 1 else many}" for count, one, many in counted),
        *(", ".join(dict.fromkeys(rows[column])) for column in ("data", "model")),
    ]


def _key(series: Sequence[str]) -> list[dict[str, str]]:
    """How each series is drawn, for the legend that several charts share."""
    return [
        {
            "series": name,
            "light": look["color"],
            "dark": ON_DARK.get(str(look["color"]), str(look["color"])),
            "dash": DASH_NAMES[look["linestyle"]],
            "symbol": SYMBOLS[look["marker"]],
        }
        for name, look in looks(series).items()
        if name in series
    ]


def _by_layers(charts: Sequence[Chart | HeatMap]) -> list[dict[str, Any]]:
    """Charts of lines with the same layers, which share a legend: (name, light colour, dark colour) of each layer."""
    found: dict[tuple[str, ...], list[Chart]] = {}
    for chart in charts:
        if isinstance(chart, Chart):
            found.setdefault(tuple(line.name for line in chart.lines), []).append(chart)
    return [
        {"layers": list(zip(layers, *shades(len(layers)), strict=True)), "charts": own} for layers, own in found.items()
    ]


def _by_layer_and_percentage(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Groups of pictures to stand side by side, in order of first appearance."""
    most = max((float(each.inputs.max(initial=0)) for each in pictures if each.inputs is not None), default=0.0)
    groups: dict[tuple[float, str, bool, str], list[dict[str, Any]]] = {}
    for each in pictures:
        first = "" if each.filters is None else each.filters.layer
        groups.setdefault((each.percentage, each.layer, each.convolution, first), []).append(
            {
                "of": each,
                "filters": filters_png(each),
                "matrix": matrix_png(each),
                "detail": "" if each.convolution else detail_png(each),
                "pixels": pixels_png(each, most),
            }
        )
    return [
        {"percentage": f"{percentage:g}", "layer": layer, "convolution": convolution, "first": first, "pictures": group}
        for (percentage, layer, convolution, first), group in groups.items()
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("prunelab.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    folder = files("prunelab.report") / "template"
    environment.globals["style"] = Markup((folder / "style.css").read_text(encoding="utf-8"))
    environment.globals["script"] = Markup((folder / "page.js").read_text(encoding="utf-8"))
    environment.globals["plotly"] = Markup(get_plotlyjs())
    environment.globals["most_rows"] = MOST_ROWS
    return environment.get_template("page.html.j2")
