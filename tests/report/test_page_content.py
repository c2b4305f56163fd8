"""What the page says: numbers as in the rows, words escaped, and no sweep too small or too odd for it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.sweeps import HOSTILE, job, many, ordinary, pictures, provenance, results

from prunelab import names
from prunelab.report.bars import Bars
from prunelab.report.charts import against_percentage, shared_axes
from prunelab.report.draw_plotly import plotly
from prunelab.report.figures import draw
from prunelab.report.looks import DISTINCT
from prunelab.report.outcome import LONGEST, Outcome, cut
from prunelab.report.page import page
from prunelab.report.pictures import block_means
from prunelab.report.provenance import merged
from prunelab.report.results import Results
from prunelab.report.verdict import verdicts


def figures(html: str) -> dict[str, Any]:
    """The plots in a page, as its script reads them."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1], parse_constant=pytest.fail)["plots"])


def without_plotly(html: str) -> str:
    return re.sub(r"<script>/\*\*\n\* plotly.*?</script>", "", html, count=1, flags=re.DOTALL)


def test_the_verdict_is_chosen_on_validation_and_its_numbers_are_those_of_the_rows() -> None:
    swept = results(
        *(job("weight", percentage, seed) for percentage in (0, 20, 60, 80) for seed in (0, 1)),
        job("other", 0),
        job("other", 20),
        job("other", 80, **{names.VAL_ACCURACY: 0.5, names.TEST_ACCURACY: 0.95}),
        job("neuron", 0),
        job("neuron", 20, **{names.VAL_ACCURACY: 0.889}),
    )
    rows = swept.rows
    at = rows[(rows["method"] == "weight") & (rows[names.PERCENTAGE] == 60)]
    weights, neurons = verdicts(swept)
    assert weights.answer == "weight removes 60% of the weights"
    mean, half = at[names.TEST_ACCURACY].mean(), 12.7062 * at[names.TEST_ACCURACY].std() / 2**0.5
    assert f"Test accuracy there is {mean:.4f} ± {half:.4f} (n = 2)" in weights.evidence
    assert "validation accuracy: the mean drop is 0.00 points, at most 0.37 (95% confidence" in weights.evidence
    assert f"{at[names.COMPRESSION_RATIO].mean():.1f}x fewer parameters; other was not tried" in weights.evidence
    assert neurons.answer == "neuron removes 20% of the neurons"
    assert str(weights).replace("; ", "; ") in " ".join(re.sub(r"</?strong>|\s+", " ", page(swept)).split())


def test_where_nothing_holds_the_verdict_says_so_and_names_the_nearest() -> None:
    (verdict,) = verdicts(results(job("neuron", 0), job("neuron", 90), job("neuron_b", 80)))
    assert verdict.answer == "No tried percentage of the neurons can be removed"
    assert "The nearest is neuron_b at 80%: test accuracy 0.5000, against 0.9000" in verdict.evidence
    (verdict,) = verdicts(results(job("weight", 0)))
    assert str(verdict) == "No weights were removed in this sweep."


def test_several_data_sets_have_a_verdict_each() -> None:
    swept = results(*(job("weight", p, data=data) for data in ("digits", "fashion_mnist") for p in (0, 20)))
    assert [verdict.evidence.partition("(on ")[2].partition(")")[0] for verdict in verdicts(swept)] == [
        "digits",
        "fashion_mnist",
    ]


def test_texts_from_the_store_are_escaped() -> None:
    html = without_plotly(page(replace(ordinary(), verdicts=(HOSTILE,)), provenance(), pictures()))
    assert "<script>hit" not in html
    assert "<img src=x" not in html
    assert html.count("&lt;script&gt;hit") > 10


ODD = {
    "one job": results(job("weight", 20)),
    "one percentage": results(job("weight", 20), job("neuron", 20)),
    "no curves": results(job("weight", 0), job("weight", 50), curves={}),
    "curves without a metric": results(job("weight", 0), curves={"a": {names.VAL_LOSS: {}}, "b": {}}),
    "several networks and data sets": results(
        *(job("weight", p, data=d, model=m) for p in (0, 50) for d, m in (("digits", "a"), ("other", "b")))
    ),
    "emptied layers": results(job("neuron", 100, **{names.COMPRESSION_RATIO: 2386000.0})),
    "missing numbers": results(
        job("weight", 0, **{"speedup/batch_1": 1.0, names.TEST_LOSS: float("nan")}),
        job("weight", 50, **{names.TEST_LOSS: float("inf"), "file/bytes": 0.0}),
    ),
    "nothing but missing": results(job("weight", 50, **{"speedup/batch_1": float("nan")})),
    "no counts of layers": Results("x", results(job("weight", 5)).rows.filter(regex="^(?!units|remaining/)"), {}),
    "an infinite loss": results(
        job("weight", 0),
        job("weight", 50, **{names.TEST_LOSS: math.inf}),
        job("weight", 90, **{names.TEST_LOSS: 1.7e308}),
    ),
    "a loss that explodes": results(job("weight", 0), job("weight", 90, **{names.TEST_LOSS: 4e5})),
}


@pytest.mark.parametrize("swept", ODD.values(), ids=ODD.keys())
def test_no_sweep_is_too_odd_for_a_page(swept: Results) -> None:
    html = page(swept)
    assert figures(html).keys() >= {"accuracy", "loss"}
    assert not re.search(r">\s*(nan|None)\b", without_plotly(html))


def test_measured_columns_have_plots_of_their_own_where_they_exist() -> None:
    measured = {"speedup/batch_1": 0.5, "speedup/batch_1024": 3.0, "file/bytes": 12345.0}
    titles = [chart.title for chart in shared_axes(results(job("weight", 50, **measured)))]
    assert titles == [
        *("With fewer parameters", "With fewer MACs", "Measured speed, one image at a time"),
        *("Measured speed, 1,024 images at a time", "Size of the file"),
    ]
    same = job("weight", 50, **{names.COMPRESSION_RATIO: 2.0, names.THEORETICAL_SPEEDUP: 2.0})
    assert [chart.title for chart in shared_axes(results(same))] == ["With fewer parameters and MACs"]


def test_shared_axes_run_forwards_and_dead_networks_do_not_stretch_them() -> None:
    empty = {names.layer(names.REMAINING, 2): 0, names.TEST_ACCURACY: 0.1, names.COMPRESSION_RATIO: 1e6}
    alive, dead = job("neuron", 50, **{"file/bytes": 500.0}), job("neuron", 90, **{"file/bytes": 1.0}, **empty)
    swept = results(job("neuron", 0, **{"file/bytes": 900.0}), alive, dead)
    charts = shared_axes(swept)
    for drawn in map(plotly, charts):
        low, high = drawn["layout"]["xaxis"]["range"]
        assert low < high
        assert all(len(trace["x"]) == 2 for trace in drawn["data"])
    assert "1 network with an empty layer" in page(swept)
    every = shared_axes(results(dead))
    assert len(every[0].lines[0].x) == 1, "where all are dead there is nothing else to draw"


def test_bands_are_the_interval_or_one_deviation_to_either_side_and_captions_say_which() -> None:
    swept = results(job("weight", 20, 0), job("weight", 20, 5))
    mean, sd = 0.8975, 0.005 / 2**0.5
    for bars, half, words in (
        (Bars.INTERVAL, 12.7062 * sd / 2**0.5, "95% confidence interval of the mean"),
        (Bars.DEVIATION, sd, "standard deviation over seeds"),
    ):
        shown = replace(swept, bars=bars)
        accuracy = plotly(against_percentage(shown)[0])
        band, line = accuracy["data"]
        assert line["y"] == [pytest.approx(mean)]
        assert band["y"] == [pytest.approx(mean + half, abs=1e-5), pytest.approx(mean - half, abs=1e-5)]
        assert accuracy["layout"]["shapes"][0]["y0"] == 0.9
        html = without_plotly(page(shown))
        assert f"Means over seeds; bands: {words}" in html.replace("&#39;", "'")
        assert f"bands: {words}" in draw(shown)["accuracy"].get_supxlabel()


def test_bands_end_where_accuracies_do() -> None:
    swept = results(job("weight", 20, 0), job("weight", 20, 50))
    accuracy, loss = map(plotly, against_percentage(swept))
    assert max(accuracy["data"][0]["y"]) == 1
    assert min(loss["data"][0]["y"]) == 0
    assert max(loss["data"][0]["y"]) > 1


def test_of_one_seed_there_are_no_bands_and_all_places_say_that_it_is_one_network() -> None:
    swept = results(*(job("weight", p) for p in (0, 20)), *(job("weight_lamp", p) for p in (0, 20)))
    html = " ".join(without_plotly(page(swept)).split())
    assert "Means over seeds" not in html
    assert "One network each, so without bands" in html
    assert "It is a single network." in html
    assert "Every value is from a single trained network (seed 0)" in Outcome(swept).markdown()
    assert draw(swept)["accuracy"].get_supxlabel() == ""


def test_a_thousand_jobs_make_a_page_that_is_not_much_longer() -> None:
    html = page(many(10, 20, 5))
    assert html.count("<tr>") > 200
    assert len(without_plotly(html)) < 1_000_000


def test_more_series_than_can_be_told_apart_are_in_the_tables_only() -> None:
    html = page(many(DISTINCT + 5, 2, 1))
    lines = [trace for trace in figures(html)["accuracy"]["data"] if trace["mode"] == "lines+markers"]
    assert len(lines) == DISTINCT
    assert "5 more series are in the tables" in html
    assert html.count('<th scope="row">method_') == 3 * (DISTINCT + 5)


def test_the_reports_rows_stand_beside_ours_on_its_own_data_only() -> None:
    ours = [job("weight", percentage, data="fashion_mnist") for percentage in (0, 50)]
    assert "0.8748" in without_plotly(page(results(*ours)))
    assert "as published" in page(results(*ours))
    assert "0.8748" not in without_plotly(page(results(job("weight", 50))))


def test_a_long_description_ends_at_a_line_and_points_to_the_page() -> None:
    swept = many(30, 20, 1)
    text = cut(Outcome(swept).markdown())
    assert len(text) <= LONGEST
    *_, last, empty, pointer = text.split("\n")
    assert last[0] + last[-1] in ("-.", "||"), "a whole line"
    assert (empty, pointer) == ("", "(There is more in `report.html`.)")
    short = cut(Outcome(many(1, 2, 1)).markdown())
    assert "There is more" not in short
    assert "| method_0 | 50 |" in short


def test_a_matrix_is_drawn_as_the_share_that_stays() -> None:
    kept = np.zeros((1000, 1000), dtype=bool)
    kept[:8, :8] = True
    kept[8:16, 0] = True
    shares = block_means(kept.astype(np.float32))
    assert shares.shape == (125, 125)
    assert shares[0, 0] == 1
    assert shares[1, 0] == pytest.approx(1 / 8)
    assert shares.sum() == pytest.approx(9 / 8)
    ragged = np.ones((300, 130), dtype=bool)
    assert (block_means(ragged.astype(np.float32)) == 1).all()
    small = np.eye(3, dtype=bool)
    assert (block_means(small.astype(np.float32)) == small).all()


def test_overrides_of_jobs_are_merged_into_those_of_the_sweep() -> None:
    assert merged([["a=1", "b=x"], ["a=2", "b=x"]]) == ("a=1,2", "b=x")
