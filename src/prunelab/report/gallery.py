"""Every figure of a sweep, by the name of its file."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prunelab import names
from prunelab.report.figures import (
    against,
    against_percentage,
    batch_sizes,
    learning_curves,
    theoretical_beside_measured,
)
from prunelab.report.layer_figures import filters, pixels, survivors
from prunelab.report.layers import survivals
from prunelab.report.pictures import Picture
from prunelab.report.results import Results, alive, same_ratios


def draw(results: Results, pictures: Sequence[Picture] = ()) -> dict[str, Figure]:
    """Those for which there is something to draw."""
    table, able = results.table, alive(results.table)
    figures = {
        "accuracy": against_percentage(results, table, names.TEST_ACCURACY, names.BASELINE_ACCURACY),
        "loss": against_percentage(results, table, names.TEST_LOSS, names.BASELINE_LOSS),
        "parameters": against(results, able, {names.COMPRESSION_RATIO: "times fewer parameters than unpruned"}),
    }
    if layers := survivals(table, results.layers, list(dict.fromkeys(table["series"]))):
        figures["survivors"] = survivors(layers)
    if not same_ratios(table):
        fewer = {names.THEORETICAL_SPEEDUP: "times fewer multiply-adds than unpruned"}
        figures["multiply_adds"] = against(results, able, fewer)
    if sizes := batch_sizes(able):
        ends = list(dict.fromkeys([sizes[0], sizes[-1]]))
        faster = {names.speedup(size): f"times as fast, measured, batches of {size:,}" for size in ends}
        figures["speedup"] = against(results, able, faster)
        figures["promised_speedup"] = theoretical_beside_measured(able, ends)
    if names.FILE_BYTES in table:
        figures["file"] = against(results, able, {names.FILE_BYTES: "size of the saved network"})
    if mapped := [picture for picture in pictures if picture.inputs is not None]:
        figures["pixels"] = pixels(mapped)
    if tiled := [picture for picture in pictures if picture.filters is not None]:
        figures["filters"] = filters(tiled)
    if results.curves:
        figures["learning_curves"] = learning_curves(results.curves)
    return figures
