"""Every figure of a sweep, by the name of its file."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prunelab import names
from prunelab.report.charts import against_percentage, learning_curves, promised, shared_axes
from prunelab.report.figures import drawn
from prunelab.report.layer_figures import filters, pixels, survivors
from prunelab.report.layers import survivals
from prunelab.report.pictures import Picture
from prunelab.report.results import Results
from prunelab.report.speed import batch_sizes

FILES = {names.COMPRESSION_RATIO: "parameters", names.THEORETICAL_SPEEDUP: "multiply_adds", "file_bytes": "file"}
"""What the figures of shared axes are called, by the name of their chart."""


def draw(results: Results, pictures: Sequence[Picture] = ()) -> dict[str, Figure]:
    """Those for which there is something to draw."""
    table = results.table
    series = list(dict.fromkeys(table["series"]))
    caption = f"bands: {results.bars.words}" if results.seeds > 1 else ""
    charts = [*against_percentage(results, table, series), *shared_axes(results, table, series)]
    known = {chart.name: chart for chart in charts}
    figures = {
        FILES.get(name, name): drawn([chart], caption)
        for name, chart in known.items()
        if name in (*FILES, "accuracy", "loss")
    }
    sizes = [size for size in batch_sizes(table.columns) if names.speedup(size).replace("/", "_") in known]
    if sizes:
        ends = list(dict.fromkeys([sizes[0], sizes[-1]]))
        figures["speedup"] = drawn([known[names.speedup(size).replace("/", "_")] for size in ends], caption)
        figures["promised_speedup"] = drawn(promised(table, series, ends))
    if layers := survivals(table, results.layers, series):
        figures["survivors"] = survivors(layers)
    if mapped := [picture for picture in pictures if picture.inputs is not None]:
        figures["pixels"] = pixels(mapped)
    if tiled := [picture for picture in pictures if picture.filters is not None]:
        figures["filters"] = filters(tiled)
    if training := learning_curves(results.curves):
        several = "" if len(results.curves) == 1 else f" ({len(results.curves)} trainings)"
        figures["learning_curves"] = drawn(training, title=f"Training of the unpruned network{several}")
    return figures
