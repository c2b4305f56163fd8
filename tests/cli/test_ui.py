"""What a person sees: `prunelab-ui` as a process, its pages in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests
from mlflow.entities import Metric, Run
from playwright.sync_api import Browser, Page, expect
from tests.browser import OUTPUT
from tests.cli.ui import Ui, running, servers
from tests.conftest import Project, in_process, new_project, sweep_of_six

from prunelab.cli.ui import main
from prunelab.tracking import views
from prunelab.tracking.run import run_of

CHARTS = (
    "() => [...document.querySelectorAll('.js-plotly-plot')].map(chart => ({lines: chart.data, layout: chart.layout}))"
)

expect.set_options(timeout=30_000)


pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """A project with the sweep to look at, and the curve of another, which the comparison must leave out."""
    project = new_project(tmp_path_factory.mktemp("ui"), empty_store)
    outcome = sweep_of_six(project)
    assert outcome.status == 0, outcome.output
    (sweep,) = project.runs("sweep")
    other = project.client.create_run(
        sweep.info.experiment_id, run_name="older", tags={"kind": "curve", "sweep_id": "another"}
    )
    project.client.log_metric(other.info.run_id, "curve/test_accuracy", 0.5, step=50)
    return project


@pytest.fixture(scope="module")
def sweep(project: Project) -> Run:
    return project.runs("sweep")[0]


@pytest.fixture(scope="module")
def ui(project: Project) -> Iterator[Ui]:
    with running(project.folder, "--no-browser", "data=digits") as started:
        started.until("runs:")
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser that has been here before: on the very first visit MLflow opens its assistant beside it."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.add_init_script(
            "try { localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true') } catch {}"
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        yield page
        strangers = {url for url in asked if not re.match(r"http://127\.0\.0\.1:|data:|blob:|about:", url)}
        assert not strangers


def charts(page: Page, lines: int, dash: str = "solid") -> list[dict[str, dict[int, float]]]:
    """The charts of a page, each its lines of this dash by the name of their run, with their points."""
    page.wait_for_function(f"() => new Set(({CHARTS})().flatMap(c => c.lines.map(l => l.name))).size >= {lines}")
    drawn = page.evaluate(CHARTS)
    assert {chart["layout"]["xaxis"]["title"]["text"] for chart in drawn} == {"Step"}
    return [
        {
            line["name"]: dict(zip(line["x"], line["y"], strict=True))
            for line in chart["lines"]
            if line["line"]["dash"] == dash
        }
        for chart in drawn
    ]


def test_the_comparison_draws_every_methods_curve_of_the_published_sweep(ui: Ui, project: Project, page: Page) -> None:
    page.goto(ui.until("comparison:"))
    accuracy, loss = charts(page, lines=2)
    jobs = project.runs("job")
    for chart, metric in ((accuracy, "test/accuracy"), (loss, "test/loss")):
        assert chart == {
            method: {
                int(job.data.params["percentage"]): job.data.metrics[metric]
                for job in jobs
                if job.data.params["method"] == method
            }
            for method in ("weight", "neuron")
        }
    for chart, metric in zip(charts(page, lines=2, dash="dash"), ("accuracy", "loss"), strict=True):
        unpruned = jobs[0].data.metrics[f"baseline/test_{metric}"]
        assert chart == {"weight": {0: unpruned, 50: unpruned, 99: unpruned}}
    expect(page.get_by_text("Step = percentage removed")).to_be_visible()
    expect(page.get_by_role("link", name="Model registry")).to_be_visible()
    expect(page.get_by_text("Playground")).to_have_count(0)  # of the view for language models
    page.screenshot(path=OUTPUT / "ui-comparison.png")


def test_more_than_ten_methods_are_all_drawn(ui: Ui, project: Project, sweep: Run, page: Page) -> None:
    client = project.client
    experiment = client.create_experiment("many")
    for number in range(12):
        tags = {"kind": "curve", "sweep_id": "many"}
        run = client.create_run(experiment, run_name=f"method_{number}", tags=tags).info.run_id
        client.log_batch(run, [Metric("curve/test_accuracy", number, 0, step) for step in (0, 50)])
    saved = views.tags(replace(run_of(sweep), id="many", name="many", experiment_id=experiment))
    for name, value in saved.items():
        client.set_experiment_tag(experiment, name, value)
    page.goto(views.comparison_address(f"http://127.0.0.1:{ui.port}", experiment, saved))
    assert set(charts(page, lines=12)[0]) == {f"method_{number}" for number in range(12)}


def test_the_jobs_are_grouped_under_their_sweep_with_columns_to_compare(ui: Ui, sweep: Run, page: Page) -> None:
    page.goto(ui.until("runs:"))
    for column in ("method", "percentage", "recovery", "test/accuracy"):
        expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_visible()
    row = page.get_by_role("row").filter(has_text=sweep.info.run_name)
    expect(page.get_by_role("link", name="neuron-50")).to_have_count(0)
    row.get_by_role("button").first.click()
    expect(page.get_by_role("link", name="neuron-50")).to_be_visible()
    page.screenshot(path=OUTPUT / "ui-runs.png")


def test_the_jobs_of_the_published_sweep_are_sorted_by_percentage(ui: Ui, sweep: Run, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{ui.port}/#/experiments/{sweep.info.experiment_id}")
    page.keyboard.press("Escape")  # an advertisement
    href = page.get_by_role("link", name="its jobs by percentage", include_hidden=True).first.get_attribute("href")
    page.goto("about:blank")
    page.goto(f"http://127.0.0.1:{ui.port}/{href}")
    links = page.get_by_role("link", name=re.compile(r"^(weight|neuron)-\d+$"))
    expect(links).to_have_count(6)
    assert [link.inner_text().partition("-")[2] for link in links.all()] == ["0", "0", "50", "50", "99", "99"]
    page.screenshot(path=OUTPUT / "ui-jobs.png")


def test_the_experiments_own_text_leads_to_the_comparison(ui: Ui, sweep: Run, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{ui.port}/#/experiments/{sweep.info.experiment_id}")
    page.keyboard.press("Escape")  # an advertisement
    href = page.get_by_role("link", name="the comparison", include_hidden=True).first.get_attribute("href")
    assert href is not None
    page.goto("about:blank")
    page.goto(f"http://127.0.0.1:{ui.port}/{href}")
    assert len(charts(page, lines=2)) == 2


def test_the_sweeps_page_shows_its_table(ui: Ui, sweep: Run, page: Page) -> None:
    page.goto(run_page(ui, sweep))
    page.get_by_text("Show more").click()
    cells = page.locator("table").filter(has_text="accuracy").first
    for text in ("weight", "neuron"):
        expect(cells.get_by_role("cell", name=text, exact=True)).to_have_count(3)
    expect(page.get_by_role("link", name="weight-50")).to_be_visible()
    page.screenshot(path=OUTPUT / "ui-sweep.png")


def test_results_and_figures_open_in_the_browser(ui: Ui, sweep: Run, page: Page) -> None:
    page.goto(f"{run_page(ui, sweep)}/artifacts/results.csv")
    expect(page.get_by_text("accuracy_drop").first).to_be_visible()
    page.get_by_text("figures").click()
    expect(page.get_by_text("survivors.png")).to_be_visible()
    page.get_by_text("accuracy.png").click()
    page.wait_for_function("() => [...document.images].some(image => image.naturalWidth > 800)")
    page.screenshot(path=OUTPUT / "ui-artifact.png")


def test_the_report_opens_in_the_browser_and_its_figures_are_alive(
    ui: Ui, project: Project, sweep: Run, page: Page
) -> None:
    if not project.artifact(sweep, "report.html").is_file():
        pytest.skip("sweeps do not write report.html yet")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{run_page(ui, sweep)}/artifacts/report.html")
    inside = page.frame_locator("iframe")  # sandboxed: scripts run, storage, windows and downloads do not
    expect(inside.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    assert not problems
    page.screenshot(path=OUTPUT / "ui-report.png")


def test_neither_the_server_nor_its_pages_send_telemetry(ui: Ui) -> None:
    assert {process.environ().get("MLFLOW_DISABLE_TELEMETRY") for process in servers(ui.port)} == {"true"}
    answer = requests.get(f"http://127.0.0.1:{ui.port}/ajax-api/3.0/mlflow/ui-telemetry", timeout=30)
    assert answer.json()["disable_ui_telemetry"] is True


def test_at_a_teams_server_the_addresses_are_its_own_and_nothing_is_started(ui: Ui, project: Project) -> None:
    uri = f"http://me:secret@127.0.0.1:{ui.port}"
    outcome = in_process("prunelab-ui", main, project.folder, "data=digits", "tracking=server", f"tracking.uri={uri}")
    assert outcome.status == 0, outcome.output
    assert outcome.output.splitlines()[0] == f"comparison: {ui.until('comparison:')}"
    assert "secret" not in outcome.output


def test_on_a_terminal_it_opens_the_comparison_says_three_lines_and_ends_at_ctrl_c(
    project: Project, tmp_path: Path
) -> None:
    opened, script = tmp_path / "opened", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    script.chmod(0o755)
    with running(project.folder, "data=digits", BROWSER=f"{script} %s", DISPLAY=":0") as ui:
        ui.until("runs:")
        deadline = time.monotonic() + 10
        while not opened.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert opened.read_text().strip() == ui.until("comparison:")
        assert len(psutil.Process(ui.process.pid).children(recursive=True)) == 2  # MLflow and its one worker
        os.killpg(ui.process.pid, signal.SIGINT)  # as a terminal does
        said = ui.rest()
        first = [line.partition(" ")[0] for line in said.splitlines()]
        assert first == ["prunelab-ui:", "starting", "comparison:", "runs:"]
        assert ui.process.returncode == 0
        assert not servers(ui.port)


def run_page(ui: Ui, run: Run) -> str:
    return f"http://127.0.0.1:{ui.port}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
