"""The page of a sweep: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from prunelab import names
from prunelab.report import pictures as drawing
from prunelab.report.bars import LEVEL
from prunelab.report.charts import against_percentage, learning_curves, shared_axes
from prunelab.report.differences import differences
from prunelab.report.findings import findings
from prunelab.report.kept import DROPS, kept
from prunelab.report.layer_plots import survivors
from prunelab.report.looks import ON_DARK, looks
from prunelab.report.pictures import Picture
from prunelab.report.plots import DASH_NAMES, MOST, SYMBOLS, Plot, plot
from prunelab.report.provenance import Provenance
from prunelab.report.published import comparison
from prunelab.report.report_seeds import said_of_seeds
from prunelab.report.results import Results, alive
from prunelab.report.series import PERCENTAGE_OF
from prunelab.report.speed import measured_with
from prunelab.report.tables import SPREAD, sheet
from prunelab.report.verdict import verdicts
from prunelab.report.which_file import which_file

MOST_LINES = 500
"""So many lines of a table are shown; longer ones make a browser slow, and nobody reads them."""


def page(
    results: Results,
    provenance: Provenance | None = None,
    pictures: Sequence[Picture] = (),
    still: bytes | None = None,
) -> str:
    """The page as HTML. `still` is a PNG of the accuracies, for readers without JavaScript."""
    table = results.table
    every, series = list(dict.fromkeys(table["series"])), drawn(results)
    published = comparison(results)
    alike, maps = survivors(results, table, series)
    groups = {
        "percentage": [plot(chart) for chart in against_percentage(results, table, series, published)],
        "shared": [plot(chart) for chart in shared_axes(results, table, series)],
        "maps": maps,
        "training": [plot(chart, legend=True) for chart in learning_curves(results.curves)],
    }
    choice = which_file(table)
    groups["files"] = [] if choice is None else choice.plots
    plots = [*chain.from_iterable(groups.values()), *chain.from_iterable(each.plots for each in alike)]
    on_dark = {light: dark for each in alike for _, light, dark in each.layers}
    return _template().render(
        results=results,
        facts=_facts(results.rows, every),
        verdicts=verdicts(results),
        findings=findings(results),
        differences=differences(results),
        bars=results.bars.words if results.seeds > 1 else "",
        level=f"{100 * LEVEL:g}%",
        over_seeds=said_of_seeds(table),
        kept=kept(results),
        drops=[f"{100 * drop:g}" for drop in DROPS],
        groups=groups,
        choice=choice,
        runtime=measured_with(results.rows),
        left_out=len(every) - len(series),
        left_out_of_shared=len(table) - len(alive(table)),
        key_of_series=_key(series),
        detail=drawing.DETAIL,
        alike=alike,
        of_units=set(results.labelled[PERCENTAGE_OF]) == {"units"},
        figures=_json(plots, ON_DARK | on_dark),
        pictures=_pictured(pictures),
        table=sheet(table, spread=SPREAD),
        published=None if published is None else sheet(published, spread=SPREAD),
        provenance=provenance,
        still=None if still is None else base64.b64encode(still).decode(),
    )


def drawn(results: Results) -> list[str]:
    """The series that the plots show: all, or those that go furthest on validation where there are too many."""
    parts = {str(name): part for name, part in results.table.groupby("series", sort=False)}
    if len(parts) <= MOST:
        return list(parts)

    def worth(name: str) -> tuple[float, float]:
        held = results.reaches[name].held
        return -1.0 if held is None else held.percentage, float(parts[name][names.VAL_ACCURACY].mean())

    best = set(sorted(parts, key=worth, reverse=True)[:MOST])
    return [name for name in parts if name in best]


def _facts(rows: pd.DataFrame, series: Sequence[str]) -> list[str]:
    """What the sweep consisted of, in a line."""
    counted = [
        (len(rows), "job", "jobs"),
        (len(series), "series", "series"),
        (rows[names.PERCENTAGE].nunique(), "percentage", "percentages"),
        (rows["seed"].nunique(), "seed", "seeds"),
    ]
    return [
        *(f"{count:,} {one if count == 1 else many}" for count, one, many in counted),
        *(", ".join(dict.fromkeys(rows[column])) for column in ("data", "model")),
    ]


def _key(series: Sequence[str]) -> list[dict[str, str]]:
    """How each series is drawn, for the key that the plots share."""
    return [
        {
            "series": name,
            "light": look["color"],
            "dark": ON_DARK.get(str(look["color"]), str(look["color"])),
            "dash": DASH_NAMES[look["linestyle"]],
            "symbol": SYMBOLS[look["marker"]],
        }
        for name, look in looks(series).items()
        if name in set(series)
    ]


def _json(plots: Sequence[Plot], on_dark: Mapping[str, str]) -> Markup:
    """All plots as JSON that is safe inside a script element."""
    named = {plot.name: {"data": plot.data, "layout": plot.layout} for plot in plots}
    text = json.dumps({"plots": named, "onDark": on_dark}, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _pictured(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """The pictures of one percentage and layer side by side, in the order in which these first appear."""
    most = max((float(each.inputs.max(initial=0)) for each in pictures if each.inputs is not None), default=0.0)
    groups: dict[tuple[float, str, bool, str], list[Picture]] = {}
    for each in pictures:
        first = "" if each.filters is None else each.filters.layer
        groups.setdefault((each.percentage, each.layer, each.convolution, first), []).append(each)
    return [
        {
            "percentage": f"{percentage:g}",
            "layer": layer,
            "convolution": convolution,
            "first": first,
            "pictures": [
                {
                    "of": picture,
                    "filters": drawing.filters(picture),
                    "matrix": drawing.matrix(picture),
                    "detail": "" if convolution else drawing.detail(picture),
                    "pixels": drawing.pixels(picture, most),
                }
                for picture in group
            ],
        }
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
    folder = files("prunelab.report") / "template"
    for name, content in (
        ("style", (folder / "style.css").read_text(encoding="utf-8")),
        ("script", (folder / "page.js").read_text(encoding="utf-8")),
        ("plotly", get_plotlyjs()),
    ):
        environment.globals[name] = Markup(content)
    environment.globals["most_lines"] = MOST_LINES
    return environment.get_template("page.html.j2")
