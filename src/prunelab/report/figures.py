"""The PNG figures of a sweep, by the names of their files."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunelab import names
from prunelab.report.charts import against_percentage, chart_name, learning_curves, promised, shared_axes, survivors
from prunelab.report.draw_matplotlib import grid, panels, side_by_side
from prunelab.report.pictures import Picture
from prunelab.report.results import Results
from prunelab.report.speed import batch_sizes
from prunelab.report.tiles import tiles

FILES = {
    **{"accuracy": "accuracy", "loss": "loss", names.COMPRESSION_RATIO: "parameters"},
    **{names.THEORETICAL_SPEEDUP: "multiply_adds", chart_name(names.FILE_BYTES): "file"},
}
"""The file of each chart that is a figure by itself."""
TITLE = 30
"""Characters in a line of the title of a picture."""


def draw(results: Results, pictures: Sequence[Picture] = ()) -> dict[str, Figure]:
    """Every figure for which there is data."""
    caption = f"bands: {results.bars.words}" if results.seeds > 1 else ""
    charts = {chart.name: chart for chart in (*against_percentage(results), *shared_axes(results))}
    figures = {FILES[name]: side_by_side([chart], caption) for name, chart in charts.items() if name in FILES}
    measured = [size for size in batch_sizes(results.table.columns) if chart_name(names.speedup(size)) in charts]
    if measured:
        ends = list(dict.fromkeys([measured[0], measured[-1]]))
        figures["speedup"] = side_by_side([charts[chart_name(names.speedup(size))] for size in ends], caption)
        figures["promised_speedup"] = side_by_side(promised(results, ends))
    if layers := survivors(results):
        figures["survivors"] = grid(layers)
    if of_pixels := [picture for picture in pictures if picture.inputs is not None]:
        figures["pixels"] = _pixels(of_pixels)
    if of_filters := [picture for picture in pictures if picture.filters is not None]:
        figures["filters"] = _filters(of_filters)
    if training := learning_curves(results.curves):
        several = "" if len(results.curves) == 1 else f" ({len(results.curves)} trainings)"
        figures["learning_curves"] = side_by_side(training, title=f"Training of the unpruned network{several}")
    return figures


def _pixels(pictures: Sequence[Picture]) -> Figure:
    """How much of every input pixel each network still uses, on one scale."""
    figure, axes = _album([(each, f"{each.unused_pixels} pixels unused") for each in pictures])
    maps = [each.inputs for each in pictures if each.inputs is not None]
    most = max(float(inputs.max(initial=0)) for inputs in maps) or 1.0
    for panel, inputs in zip(axes, maps, strict=True):
        image = panel.imshow(inputs, cmap="viridis", vmin=0, vmax=most)
    figure.colorbar(image, ax=axes, label="sum of the remaining |weights| of a pixel", shrink=0.8)
    return figure


def _filters(pictures: Sequence[Picture]) -> Figure:
    """The kernels of each network's first convolution; removed ones are hatched."""
    every = [(each, each.filters) for each in pictures if each.filters is not None]
    titles = [(each, f"{own.left} of {len(own.weights)} filters left in {own.layer}") for each, own in every]
    figure, axes = _album(titles)
    for panel, (_, own) in zip(axes, every, strict=True):
        panel.imshow(tiles(own.weights))
    return figure


def _album(titles: Sequence[tuple[Picture, str]]) -> tuple[Figure, list[Axes]]:
    """Square panels without axes, four in a row, titled with series, percentage and what else is to be said."""
    columns = min(len(titles), 4)
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(1.2 + 2.5 * columns, 0.5 + 2.6 * rows), layout="constrained")
    axes = panels(figure, len(titles), rows, columns)
    for panel, (picture, words) in zip(axes, titles, strict=True):
        panel.set_axis_off()
        panel.set_title(f"{fill(f'{picture.series}, {picture.percentage:g}%', TITLE)}\n{words}", fontsize=9)
    return figure, axes
