"""Sweeps over several networks or ways to count: each series has its own label and its own unpruned network."""

from __future__ import annotations

import pytest
from tests.report.sweeps import job, layered, results, two_networks

from prunelab import names
from prunelab.report.charts import against_percentage
from prunelab.report.draw_plotly import plotly
from prunelab.report.figures import draw
from prunelab.report.findings import findings
from prunelab.report.outcome import Outcome
from prunelab.report.page_tables import kept
from prunelab.report.published import comparison
from prunelab.report.results import Results, together
from prunelab.report.series import removed, unpruned
from prunelab.report.verdict import verdicts

BASELINE = names.BASELINE_ACCURACY


def labels(swept: Results) -> list[str]:
    return list(dict.fromkeys(swept.labelled["series"]))


def test_each_network_is_compared_with_its_own_unpruned_network() -> None:
    swept = two_networks()
    for model, accuracy in (("vgg_small", 0.9), ("resnet8", 0.6)):
        series = f"neuron, {model}"
        assert swept.references[series] == pytest.approx(accuracy)
        held = swept.reaches[series].held
        assert held is not None
        assert held.percentage == 50
    assert [str(verdict) for verdict in verdicts(swept)] == [
        f"neuron, {model} removes 50% of the neurons for at most 1 point of validation accuracy (on {model}). Test "
        f"accuracy there is {accuracy - 0.005:.4f}, against {accuracy:.4f} of the unpruned network, with 2.0x fewer "
        "parameters. It is a single network."
        for model, accuracy in (("vgg_small", 0.9), ("resnet8", 0.6))
    ]
    assert [[cell["shade"] for cell in line["cells"]] for line in kept(swept)["lines"]] == [[3, 3, 0], [3, 3, 0]]
    assert [[cell["chosen"] for cell in line["cells"]] for line in kept(swept)["lines"]] == [[False, True, False]] * 2


def test_every_unpruned_network_has_its_line_and_its_sentence() -> None:
    swept = two_networks()
    levels = {what: dense[names.BASELINE_ACCURACY] for what, dense in unpruned(swept.rows).items()}
    assert levels == {"unpruned, vgg_small": pytest.approx(0.9), "unpruned, resnet8": pytest.approx(0.6)}
    assert findings(swept)[1] == "The unpruned network, resnet8: test accuracy 0.6000, loss 0.4000."
    accuracy = plotly(against_percentage(swept)[0])
    assert [shape["y0"] for shape in accuracy["layout"]["shapes"]] == [pytest.approx(0.6), pytest.approx(0.9)]
    legend = draw(swept)["accuracy"].axes[0].get_legend()
    assert legend is not None
    assert {"unpruned, vgg_small (0.9000)", "unpruned, resnet8 (0.6000)"} <= {t.get_text() for t in legend.get_texts()}


def test_values_of_unpruned_networks_that_are_nearly_as_good_do_not_cover_each_other() -> None:
    near = [job("weight", 50, model=m, **{names.BASELINE_ACCURACY: a}) for m, a in (("a", 0.9), ("b", 0.901))]
    swept = results(*near, job("weight", 90, model="a"))
    accuracy = plotly(against_percentage(swept)[0])
    lower, upper = accuracy["layout"]["annotations"]
    assert (lower["y"], lower["yanchor"], upper["yanchor"]) == (0.9, "top", "bottom")


def test_values_of_many_unpruned_networks_are_one_text_on_the_side_with_room() -> None:
    levels = {"a": 0.9, "b": 0.91, "c": 0.87}
    swept = results(
        *(job("weight", p, model=m, **{names.BASELINE_ACCURACY: a}) for m, a in levels.items() for p in (1, 99))
    )
    accuracy = plotly(against_percentage(swept)[0])
    assert len(accuracy["layout"]["shapes"]) == 3
    (label,) = accuracy["layout"]["annotations"]
    assert label["text"] == "unpruned, b 0.9100<br>unpruned, a 0.9000<br>unpruned, c 0.8700"
    assert (label["y"], label["yanchor"]) == (0.87, "top")


def test_tables_and_titles_show_the_network() -> None:
    swept = two_networks()
    text = Outcome(swept).markdown()
    assert "| neuron, vgg_small | 20 | 0.8950 |" in text
    assert "| neuron, resnet8 | 20 | 0.5950 |" in text
    assert "vgg_small, resnet8 on digits" in text
    assert "mlp on digits" in Outcome(results(job("weight", 20))).markdown()


def test_a_label_leaves_out_how_a_network_was_trained_where_its_name_says_it() -> None:
    trained = {"a": "5", "b": "7"}
    swept = results(*(job("weight", 50, model=model, epochs=epochs) for model, epochs in trained.items()))
    assert labels(swept) == ["weight, a", "weight, b"]
    swept = results(*(job("weight", 50, model=model, epochs=epochs) for model in "ab" for epochs in "57"))
    assert labels(swept) == [f"weight, {model}, epochs {epochs}" for model in "ab" for epochs in "57"]


def test_a_label_tells_what_the_percentage_counts_where_the_sweep_varies_it() -> None:
    swept = results(*(job("weight", 50, percentage_of=of) for of in ("units", "parameters", "multiply_adds")))
    assert labels(swept) == ["weight, % of units", "weight, % of parameters", "weight, % of multiply-adds"]
    assert [verdict.answer for verdict in verdicts(swept)] == [
        f"weight, % of {of} removes 50% of the {what}"
        for of, what in (("units", "weights"), ("parameters", "parameters"), ("multiply-adds", "multiply-adds"))
    ]
    assert labels(results(job("weight", 50, percentage_of="parameters"))) == ["weight"]


def test_older_stores_that_do_not_say_what_the_percentage_counts_mean_units() -> None:
    old, new = results(job("weight", 50)), results(job("weight", 50, percentage_of="units"))
    assert "percentage_of" not in old.rows
    assert labels(old) == ["weight"]
    assert labels(together([old, new])) == ["weight, a sweep #1", "weight, a sweep #2"]
    other = results(job("weight", 50, percentage_of="parameters"))
    assert labels(together([old, other])) == ["weight, % of units", "weight, % of parameters"]


@pytest.mark.parametrize(
    ("jobs", "label"),
    [
        ([job("weight", 50)], "removed (% of weights)"),
        ([job("weight", 50), job("neuron", 50)], "removed (% of weights or neurons)"),
        ([job("weight", 50, granularity="block")], "removed (% of blocks of weights)"),
        ([job("weight", 50, granularity="n_m"), job("weight", 20)], "removed (% of weights)"),
        ([job("weight", 50, percentage_of="multiply_adds")], "removed (% of multiply-adds)"),
        (
            [job("weight", 5), job("neuron", 5), job("neuron", 5, percentage_of="parameters")],
            "removed (% of weights, neurons or parameters)",
        ),
    ],
)
def test_the_axis_says_what_the_percentages_count(jobs: list[dict[str, object]], label: str) -> None:
    swept = results(*jobs)
    assert removed(swept.rows) == label
    accuracy = plotly(against_percentage(swept)[0])
    assert accuracy["layout"]["xaxis"]["title"]["text"] == label
    assert draw(swept)["accuracy"].axes[0].get_xlabel() == label


def test_the_granularity_is_in_the_label_only_where_one_method_has_several() -> None:
    both = [job("weight", 50), job("weight", 50, granularity="block"), job("neuron", 50)]
    assert labels(results(*both)) == ["weight, weight", "weight, block", "neuron"]
    assert labels(results(job("weight", 50), job("neuron", 50))) == ["weight", "neuron"]


def test_networks_of_one_name_but_other_sizes_are_told_apart_by_the_override() -> None:
    swept = results(
        *(
            job("weight", 50, seed, overrides=f"model.widths={w} percentage=50 seed={seed}", **{BASELINE: accuracy})
            for w, accuracy in (("[8,8]", 0.8), ("[16,16]", 0.9))
            for seed in (0, 1)
        )
    )
    assert labels(swept) == ["weight, model.widths=[8,8]", "weight, model.widths=[16,16]"]
    assert list(swept.table["n"]) == [2, 2]
    assert {what: round(dense[BASELINE], 9) for what, dense in unpruned(swept.rows).items()} == {
        "unpruned, model.widths=[8,8]": 0.8,
        "unpruned, model.widths=[16,16]": 0.9,
    }


def test_what_does_not_change_the_unpruned_network_makes_no_second_line() -> None:
    swept = results(
        job("weight", 50, precision="float32", overrides="recovery.steps=1"),
        job("weight", 50, precision="bf16", overrides="recovery.steps=4"),
        job("weight", 50, 1, precision="bf16", overrides="recovery.steps=4", **{BASELINE: 0.95}),
    )
    assert list(unpruned(swept.rows)) == ["unpruned"]


def test_another_network_does_not_stand_beside_the_published_one() -> None:
    ours = [layered("weight", 50, ("a",), data="fashion_mnist", model=model) for model in ("vgg_small", "mlp")]
    assert comparison(results(ours[0])) is None
    assert comparison(results(*ours)) is None
    assert comparison(results(ours[1])) is not None
    assert comparison(results({**ours[1], "percentage_of": "parameters"})) is None


def test_multiply_adds_are_never_called_speed() -> None:
    told = Outcome(two_networks())
    text = told.markdown()
    assert "fewer MACs" in text
    assert "speedup" not in text
    assert "faster" not in text
