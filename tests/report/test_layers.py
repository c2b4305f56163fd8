"""Layers by their names, and what remains of each: lines for few layers, a heat map for many."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from PIL import Image
from playwright.sync_api import Browser
from tests.report.opened import Opened, looking
from tests.report.sweeps import FEW_NAMES, HOSTILE, LONG_NAMES, deep, job, layered, results

from prunelab import names
from prunelab.report.charts import MOST_LINES
from prunelab.report.figures import draw
from prunelab.report.findings import findings
from prunelab.report.layers import few, layer_names, shortened
from prunelab.report.page import page
from prunelab.report.tables import as_markdown, sheet


def test_a_person_reads_the_names_of_layers_that_each_series_has() -> None:
    swept = deep()
    assert swept.layers["weight"] == LONG_NAMES
    assert swept.layers["neuron"] == LONG_NAMES[:49]
    assert swept.layers["neuron_layer"] == FEW_NAMES
    (said,) = [sentence for sentence in findings(swept) if sentence.startswith("neuron_layer:")]
    assert "fc1 is emptied first, at 90%" in said
    (said,) = [sentence for sentence in findings(swept) if sentence.startswith("weight:")]
    assert f"{LONG_NAMES[-1]} is emptied first, at 90%" in said
    assert "| fc1 |" in as_markdown(swept.table)
    at_99 = next(line for line in sheet(swept.table).lines if [cell.text for cell in line[:2]] == ["weight", "99"])
    assert "f.d4.denselayer8.conv2 + 6 more" in [cell.text for cell in at_99]
    assert ", ".join(LONG_NAMES[-7:]) in [cell.title for cell in at_99]


@pytest.mark.parametrize("tag", [None, "not JSON", "{}", json.dumps(["only one"])])
def test_layers_without_names_in_the_store_have_numbers(tag: str | None) -> None:
    without = layered("weight", 90, ("a", "b")) | {names.LAYERS: tag}
    assert layer_names(results(without).labelled) == {"weight": ("layer 1", "layer 2")}
    assert "layer 2 is emptied first, at 90%" in findings(results(without))[1]


def test_a_long_name_keeps_its_end_and_the_numbers_before_it() -> None:
    assert shortened("stage1.conv1", 24) == "stage1.conv1"
    assert shortened(LONG_NAMES[13], 24) == "f.d2.denselayer2.conv2"
    assert shortened("encoder.layers.encoder_layer_11.mlp.0", 20) == "e.l.e11.mlp.0"
    assert len(shortened("x" * 60, 24)) == 24
    assert few("conv1, fc1") == "conv1, fc1"
    assert few(", ".join(FEW_NAMES * 10)) == "conv1 + 19 more"


def test_in_the_figure_many_layers_are_a_heat_map_with_a_name_for_each_row_that_covers_no_other() -> None:
    figure = draw(deep())["survivors"]
    FigureCanvasAgg(figure).draw()
    every = {axes.get_title(): axes for axes in figure.findobj(Axes)}
    mesh = next(child for child in every["weight"].get_children() if isinstance(child, QuadMesh))
    shares = np.asarray(mesh.get_array()).reshape(50, 7)
    assert shares[:, 0] == pytest.approx(100)
    assert shares[-1, -2:] == pytest.approx(0)
    rows = [label for label in every["weight"].get_yticklabels() if label.get_visible()]
    assert [label.get_text() for label in rows] == [shortened(name, 30) for name in LONG_NAMES]
    boxes = [label.get_window_extent() for label in rows]
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)
    assert len(every["neuron"].get_yticklabels()) == 49
    lines = [line.get_label() for line in every["neuron_layer"].get_lines()]
    assert lines == ["conv1 (64)", "fc1 (128)"]


def test_every_panel_of_the_survivors_has_numbers_on_both_axes() -> None:
    swept = results(*(job(method, percentage) for method in ("weight", "neuron", "a", "b") for percentage in (0, 50)))
    figure = draw(swept)["survivors"]
    FigureCanvasAgg(figure).draw()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 4
    for axes in panels:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            assert sum(bool(label.get_text()) and label.get_visible() for label in labels) > 2, axes.get_title()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deep") / "report.html"
    path.write_text(page(deep()), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["light", "dark", "narrow"])
def opened(browser: Browser, file: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    options = {"light": {}, "dark": {"color_scheme": "dark"}, "narrow": {"viewport": {"width": 375, "height": 800}}}
    with looking(browser, file, f"deep-{request.param}", **options[request.param]) as looked_at:
        yield looked_at


def test_in_the_page_every_row_of_fifty_has_its_name_and_none_covers_another(opened: Opened) -> None:
    rows = opened.page.eval_on_selector_all(
        "#plot-survivors_0 .ytick text",
        """all => all.map((each) => { const box = each.getBoundingClientRect();
             return [each.textContent, box.top, box.bottom, box.left] })""",
    )
    rows.sort(key=lambda row: row[1])
    assert [row[0] for row in rows] == [shortened(name, 24) for name in LONG_NAMES]
    assert all(upper[2] <= lower[1] + 1 for upper, lower in pairwise(rows))
    assert all(row[3] >= 0 for row in rows)
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.complaints == []


def test_cells_go_from_yellow_to_violet_and_a_cross_stands_where_nothing_remains(opened: Opened) -> None:
    opened.page.evaluate("scrollTo(0, 0)")
    box = opened.page.locator("#plot-survivors_0 .heatmaplayer image").bounding_box()
    assert box is not None
    picture = opened.page.screenshot(full_page=True, clip=box)
    seen = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    height, width = seen.shape[0] / 50, seen.shape[1] / 7

    def colour(row: int, column: int) -> np.ndarray:
        cell = seen[int(row * height) : int((row + 1) * height), int(column * width) : int((column + 1) * width)]
        return np.median(cell.reshape(-1, 3), axis=0)

    np.testing.assert_allclose(colour(25, 0), (253, 231, 37), atol=12, err_msg="0% removed")
    np.testing.assert_allclose(colour(49, 6), (68, 1, 84), atol=12, err_msg="99% removed")
    crosses = opened.page.locator("#plot-survivors_0 .heatmap-label text")
    assert set(crosses.all_text_contents()) - {""} == {"×"}
    inks = crosses.evaluate_all("all => all.filter((e) => e.textContent).map((e) => getComputedStyle(e).fill)")
    assert set(inks) == {"rgb(255, 255, 255)"}


def test_hovering_shows_the_whole_name_and_the_value(opened: Opened) -> None:
    image = opened.page.locator("#plot-survivors_0 .heatmaplayer image")
    opened.page.evaluate("document.getElementById('plot-survivors_0').scrollIntoView({block: 'end'})")
    box = image.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + box["width"] * 1.5 / 7, box["y"] + box["height"] * 49.5 / 50)
    hover = opened.page.locator("#plot-survivors_0 .hoverlayer .hovertext")
    hover.wait_for()
    label = hover.text_content()
    assert label is not None
    assert LONG_NAMES[49] in label
    assert "20% removed overall: 77.8% remain" in label


def test_series_with_the_same_few_layers_share_a_key_with_their_names() -> None:
    swept = results(*(layered(method, p, FEW_NAMES) for method in ("weight", "neuron", "a") for p in (0, 50)))
    other = results(layered("b", 50, (HOSTILE, "conv2")), *swept.rows.to_dict("records"))
    html = page(other)
    keys = re.findall(r'<ul class="layers".*?</ul>', html, re.DOTALL)
    assert [re.findall(r"</i>(.*?)</li>", key) for key in keys][1:] == [list(FEW_NAMES)]
    assert "<script>hit" not in "".join(keys)
    assert "&lt;script&gt;hit" in keys[0]


@pytest.mark.parametrize(("count", "kind"), [(MOST_LINES, "scatter"), (MOST_LINES + 1, "heatmap")])
def test_so_many_layers_are_lines_and_one_more_is_a_heat_map(count: int, kind: str) -> None:
    html = page(results(*(layered("weight", p, LONG_NAMES[:count]) for p in (0, 50))))
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["plots"]["survivors_0"]["data"][0]["type"] == kind


def test_a_hundred_layers_make_a_figure_that_is_not_too_tall() -> None:
    layers = tuple(f"layer{n}" for n in range(300))
    figure = draw(results(*(layered(f"m{m}", p, layers) for m in range(6) for p in (0, 50))))["survivors"]
    assert figure.get_size_inches()[1] < 40
