"""The page of a sweep, in a real browser: alone, whole, in both schemes, narrow, on paper."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from tests.report.opened import Opened, looking
from tests.report.sweeps import HOSTILE, everything_measured, ordinary, pictures, provenance

from prunelab.report.page import page

PATIENCE = 10.0
SERIES = {"weight", "neuron_layer", HOSTILE}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    still = io.BytesIO()
    Image.new("RGB", (40, 20), "white").save(still, "PNG")
    path.write_text(page(ordinary(), provenance(), pictures(), still.getvalue()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Iterator[Opened]:
    """The page on a light desktop."""
    with looking(browser, file, "light") as looked_at:
        yield looked_at


def test_it_needs_nothing_but_itself_and_complains_of_nothing(opened: Opened, file: Path) -> None:
    asked = [url for url in opened.requests if not url.startswith(("data:", "blob:"))]
    assert asked == [file.as_uri()]
    assert opened.complaints == []


def test_every_plot_shows_every_series_and_every_layer(opened: Opened) -> None:
    drawn = opened.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".drawing")].map((node) => [
          node.dataset.plot,
          [...node.querySelectorAll(".scatterlayer .trace")]
            .map((trace, number) => [node.data[number].meta ?? node.data[number].name,
              [...trace.querySelectorAll("path")].some((path) => path.getBoundingClientRect().height > 0)])
            .filter(([, visible]) => visible).map(([name]) => name),
        ]))"""
    )
    assert set(drawn) == {
        *("accuracy", "loss", "compression_ratio", "theoretical_speedup", "training_accuracy", "training_loss"),
        *("survivors_0", "survivors_1", "survivors_2"),
    }
    for name in ("accuracy", "loss", "compression_ratio", "theoretical_speedup"):
        assert set(drawn[name]) == SERIES, name
        assert len(drawn[name]) == 2 * len(SERIES), f"{name}: a line and a band each"
    for name in ("survivors_0", "survivors_1", "survivors_2"):
        assert drawn[name] == ["layer 1", "layer 2"]
    assert drawn["training_loss"] == ["training", "validation"]


def test_a_name_that_means_harm_is_only_text(opened: Opened) -> None:
    assert opened.page.evaluate("typeof hit") == "undefined"
    assert opened.page.get_by_role("rowheader", name=HOSTILE, exact=True).count() > 1
    opened.page.evaluate(
        """(name) => Plotly.Fx.hover("plot-accuracy", [{curveNumber: document.getElementById("plot-accuracy").data
             .findIndex((trace) => trace.meta === name && trace.mode === "lines+markers"), pointNumber: 1}])""",
        HOSTILE,
    )
    label = opened.page.locator("#plot-accuracy .hoverlayer").text_content()
    assert label is not None
    assert HOSTILE in label
    assert "0.8995 ± 0.0064 (n = 2)" in label
    assert opened.page.evaluate("typeof hit") == "undefined"


def test_a_heading_sorts_by_number_and_back_and_by_keyboard(opened: Opened) -> None:
    def column(number: int) -> list[str]:
        return opened.page.locator(f".sortable tbody tr > :nth-child({number})").all_text_contents()

    losses = column(4)
    heading = opened.page.locator(".sortable thead th", has_text="loss")
    heading.get_by_role("button").click()
    by_number = sorted(losses, key=lambda text: float(text.split()[0]))
    assert by_number != sorted(losses), "a sort of texts would pass"
    assert column(4) == by_number
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").press("Enter")
    assert [text.split()[0] for text in column(4)] == [text.split()[0] for text in reversed(by_number)]
    opened.page.locator(".sortable thead th", has_text="method").get_by_role("button").click()
    assert column(1) == sorted(column(1), key=str.lower)
    assert opened.page.locator(".sortable [aria-sort]").count() == 1


def test_the_filter_leaves_the_rows_that_have_the_words(opened: Opened) -> None:
    opened.page.get_by_role("searchbox").fill("LAYER 80")
    rows = opened.page.locator(".sortable tbody tr:visible")
    assert rows.count() == 1
    assert rows.locator("td").first.text_content() == "80"
    assert opened.page.locator(".filter output").text_content() == "1 of 15 rows"
    opened.page.get_by_role("searchbox").fill("")
    assert rows.count() == 15


def test_pressing_a_series_hides_it_in_the_plots(opened: Opened) -> None:
    lines = opened.page.locator("#plot-accuracy .scatterlayer .trace")
    assert lines.count() == 6
    key = opened.page.get_by_role("group", name="Series").get_by_role("button", name="neuron_layer")
    key.click()
    assert lines.count() == 4
    assert key.get_attribute("aria-pressed") == "false"
    key.click()
    assert lines.count() == 6


COLOURS = """() => ({
  ground: getComputedStyle(document.body).backgroundColor,
  text: getComputedStyle(document.querySelector("#plot-accuracy .xtitle")).fill,
  line: document.querySelector("#plot-accuracy .scatterlayer .trace .js-line[style*='stroke-width: 2px']").style.stroke,
})"""


def colours(page: Page, expected: dict[str, str]) -> dict[str, str]:
    """The colours of the page, once they are the expected ones or do not come to be so."""
    deadline = time.monotonic() + PATIENCE
    while (seen := page.evaluate(COLOURS)) != expected and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return dict(seen)


LIGHT = {"ground": "rgb(252, 252, 251)", "text": "rgb(27, 31, 36)", "line": "rgb(0, 114, 178)"}
PAPER = {"ground": "rgb(255, 255, 255)", "text": "rgb(0, 0, 0)", "line": "rgb(0, 114, 178)"}
DARK = {"ground": "rgb(20, 23, 27)", "text": "rgb(231, 233, 236)", "line": "rgb(59, 151, 219)"}


def test_page_and_plots_follow_the_readers_scheme(browser: Browser, file: Path) -> None:
    with looking(browser, file, "dark", color_scheme="dark") as opened:
        assert colours(opened.page, DARK) == DARK
        opened.page.emulate_media(color_scheme="light")
        assert colours(opened.page, LIGHT) == LIGHT


def test_a_telephone_scrolls_tables_not_the_page(browser: Browser, file: Path) -> None:
    with looking(browser, file, "narrow", viewport={"width": 375, "height": 800}) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") == 375
        widest = (
            "Math.max(...[...document.querySelectorAll('.main-svg')].map((svg) => svg.getBoundingClientRect().right))"
        )
        assert opened.page.evaluate(widest) <= 375
        assert opened.page.evaluate(
            "(box => box.scrollWidth > box.clientWidth)(document.querySelector('#results .scroll'))"
        )


def test_on_a_laptop_a_table_with_every_column_fits_and_each_table_sorts_by_itself(
    browser: Browser, tmp_path: Path
) -> None:
    swept, file = everything_measured(), tmp_path / "report.html"
    file.write_text(page(swept), encoding="utf-8")
    with looking(browser, file, "laptop", viewport={"width": 1440, "height": 900}) as opened:
        headings = opened.page.locator("#results thead th")
        assert headings.count() == 18
        widths = opened.page.locator("#results .scroll").evaluate("box => [box.scrollWidth, box.clientWidth]")
        assert widths[0] <= widths[1]
        files = opened.page.locator("#files tbody tr > :nth-child(4)")
        before = opened.page.locator("#results tbody").inner_text()
        opened.page.locator("#files thead th", has_text="validation").get_by_role("button").click()
        assert files.all_text_contents() == sorted(files.all_text_contents(), key=float)
        assert opened.page.locator("#results tbody").inner_text() == before
        opened.page.get_by_role("searchbox").fill("neuron 60%")
        assert opened.page.locator("#results tbody tr:visible").count() == 1
        assert files.count() == 3 * len(swept.table)


def test_on_paper_plots_are_dark_on_white_and_fit(browser: Browser, file: Path) -> None:
    with looking(browser, file, "paper", color_scheme="dark") as opened:
        opened.page.emulate_media(media="print", color_scheme="light")
        assert colours(opened.page, PAPER) == PAPER
        boxes = [
            plot.bounding_box()
            for plot in opened.page.locator(".drawing > .plot-container .main-svg:first-child").all()
        ]
        assert len(boxes) == 9
        assert all(box is not None and box["width"] <= 680 and box["height"] > 100 for box in boxes)
        assert opened.page.get_by_text("percentage: 20.0").is_visible()
        opened.page.set_viewport_size({"width": 688, "height": 1017})  # A4 less its margins
        assert opened.page.evaluate("document.querySelector('#results table').scrollWidth") <= 688
        assert opened.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_without_scripts_there_are_the_picture_and_the_tables(browser: Browser, file: Path) -> None:
    with looking(browser, file, "still", java_script_enabled=False) as opened:
        assert opened.page.get_by_alt_text("Test accuracy of every series").is_visible()
        assert not opened.page.locator(".grid").first.is_visible()
        assert opened.page.locator(".sortable tbody tr:visible").count() == 15


def test_it_works_in_a_sandboxed_frame_as_mlflow_shows_it(browser: Browser, file: Path) -> None:
    outside = file.with_name("viewer.html")
    outside.write_text(f'<iframe sandbox="allow-scripts" src="{file.name}" width="600" height="700"></iframe>')
    looking = browser.new_page()
    complaints: list[str] = []
    looking.on("console", lambda message: complaints.append(message.text))
    looking.goto(outside.as_uri())
    inside = looking.frames[1]
    inside.wait_for_selector("#plot-training_loss .scatterlayer .trace")
    assert inside.evaluate("document.documentElement.scrollWidth") <= 600
    assert complaints == []
    looking.close()


def test_headings_are_in_order_and_everything_drawn_has_words(opened: Opened) -> None:
    every = opened.page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "all => all.map((each) => each.tagName[1])")
    levels = [int(level) for level in every]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert opened.page.locator("html").get_attribute("lang") == "en"
    assert opened.page.locator("img:not([alt]), img[alt='']").count() == 0
    assert opened.page.locator(".drawing:not([aria-label])").count() == 0
    assert opened.page.locator("th:not([scope])").count() == 0
