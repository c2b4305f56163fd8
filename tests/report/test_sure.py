"""Verdicts on simulated sweeps: chance is not taken for a difference, and a difference is found as often as is said."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel
from tests.report.sweeps import job, results

from prunelab import names
from prunelab.report.chance import holm, power
from prunelab.report.findings import findings
from prunelab.report.outcome import Outcome
from prunelab.report.page import page
from prunelab.report.page_tables import differences
from prunelab.report.results import Results
from prunelab.report.verdict import Verdict, verdicts

IMAGES = 6000
SWEEPS = 100
SEEDS = 5
SPREAD = {20: 0.001, 50: 0.001, 70: 0.002, 80: 0.009, 90: 0.02}
"""Standard deviation over seeds by percentage, as of the report's weights (README; n = 3)."""
LOST = {20: 0.0, 50: 0.001, 70: 0.006, 80: 0.026, 90: 0.13}
"""Mean drops beside them."""


def measured(name: str, percentage: float, seed: int, val: float, base: float, **others: Any) -> dict[str, Any]:
    """A job whose accuracies are shares of whole images."""
    val, base = round(val * IMAGES) / IMAGES, round(base * IMAGES) / IMAGES
    quality = {names.VAL_ACCURACY: val, names.TEST_ACCURACY: val, names.BASELINE_VAL_ACCURACY: base}
    return job(name, percentage, seed, **quality, **others)


def simulated(draw: np.random.Generator, series: tuple[str, ...], seeds: int = SEEDS, sweeps: int = SWEEPS) -> Results:
    """Sweeps of the same method under several names, each sweep on a data set of its own.

    A network's luck is its own at each percentage, and half of its variance is shared by all of them.
    """
    jobs = []
    for sweep in range(sweeps):
        for seed in range(seeds):
            base = 0.89 + 0.002 * draw.normal()
            for name in series:
                common = draw.normal()
                for percentage, sd in SPREAD.items():
                    luck = sd * (common + draw.normal()) / 2**0.5
                    val = base - LOST[percentage] + luck
                    jobs.append(measured(name, percentage, seed, val, base, data=f"data {sweep}"))
    return results(*jobs)


def told(verdict: Verdict) -> bool:
    """Whether it says of some rival that it is better or worse."""
    return any(rival.apart for rival in verdict.standing.rivals)


@pytest.mark.parametrize("series", [("weight", "weight_other"), ("weight", "weight_other", "weight_third")])
def test_a_method_under_other_names_is_no_different_in_at_least_94_of_100_sweeps(series: tuple[str, ...]) -> None:
    found = verdicts(simulated(np.random.default_rng(0), series))
    assert len(found) == SWEEPS
    assert sum(verdict.standing.best is None for verdict in found) < 10, "most must come as far as comparing"
    assert sum(map(told, found)) <= 6
    for verdict in found:
        said = " keeps " in verdict.evidence or " keep " in verdict.evidence
        assert said == told(verdict), verdict


def test_a_percentage_that_loses_more_than_a_point_is_said_to_hold_in_at_most_6_of_100_sweeps() -> None:
    swept = simulated(np.random.default_rng(1), ("weight", "weight_other"))
    assert (
        sum((verdict.standing.drop.percentage if verdict.standing.drop else 0) >= 80 for verdict in verdicts(swept))
        <= 6
    )


@pytest.mark.parametrize(("deviation", "seeds"), [(0.009, 5), (0.005, 7)])
def test_a_difference_of_a_point_is_found_as_often_as_its_power_says(deviation: float, seeds: int) -> None:
    """The report's weights have a deviation of 0.009 at 80% (README); a pair's is as large if half of it is shared."""
    draw, sweeps = np.random.default_rng(seeds), 150
    jobs = []
    for sweep in range(sweeps):
        for seed in range(seeds):
            worse = 0.89 - 0.01 + deviation * draw.normal()
            pair = (("weight", 0.89), ("weight_other", worse))
            jobs += [measured(name, 50, seed, val, 0.89, data=f"data {sweep}") for name, val in pair]
    found = [verdict for verdict in verdicts(results(*jobs)) if told(verdict)]
    stated = power(0.01, deviation, seeds)
    assert all("weight_other keeps " in verdict.evidence for verdict in found if verdict.standing.best == "weight")
    assert len(found) / sweeps == pytest.approx(stated, abs=0.1)


def test_levels_are_between_those_of_holm_and_of_bonferroni_over_every_pair_at_every_percentage() -> None:
    swept = simulated(np.random.default_rng(3), ("weight", "weight_other", "weight_third"), sweeps=1)
    (verdict,) = verdicts(swept)
    at = verdict.standing.drop
    assert at is not None
    val = swept.labelled.pivot_table(names.VAL_ACCURACY, "seed", ["series", names.PERCENTAGE])
    p = {
        (one, other, percentage): ttest_rel(val[one, percentage], val[other, percentage]).pvalue
        for one, other in combinations(val.columns.levels[0], 2)
        for percentage in SPREAD
    }
    levels = dict(zip(p, holm(np.array(list(p.values()))), strict=True))
    for rival in verdict.standing.rivals:
        key = (*sorted((rival.series, str(verdict.standing.best))), int(at.percentage))
        assert levels[key] - 1e-12 <= rival.lead.level <= 1 - 0.05 / len(p) + 1e-12


def pair(n: int, gap: float, sd: float, percentages: tuple[float, ...] = (20, 50)) -> Results:
    """Two series of which `weight_other` is worse by `gap`, with `n` seeds whose differences vary by exactly `sd`."""
    luck = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    luck = luck / (luck.std(ddof=1) or 1) if n > 1 else luck
    base = 0.89 + np.arange(n) / IMAGES
    return results(
        *(
            measured(name, p, seed, base[seed] - (gap + sd * luck[seed]) * (name == "weight_other"), base[seed])
            for name in ("weight", "weight_other")
            for p in percentages
            for seed in range(n)
        )
    )


def test_what_is_not_told_apart_is_said_so_with_the_seeds_that_would() -> None:
    (verdict,) = verdicts(swept := pair(5, 0.003, 0.004))
    (rival,) = verdict.standing.rivals
    assert not rival.apart
    assert rival.needed is not None
    assert verdict.answer == "weight removes 50% of the weights"
    assert "weight_other is not told apart from it there by 5 seeds (0.30 [" in verdict.evidence
    assert f"about {rival.needed} would, with a power of 80%" in verdict.evidence
    assert "the 2 series together" in verdict.evidence
    sentence = next(each for each in findings(swept) if each.startswith("weight_other: "))
    assert "at 50% it keeps 0.30 [" in sentence
    assert (
        f"points less validation accuracy than weight, not told apart by 5 seeds (about {rival.needed} would)"
        in sentence
    )
    html = page(swept)
    for words in (
        "Against weight at 50% of the weights",
        f"<td>{rival.needed}</td>",
        f"<td>{100 * rival.power:.0f}%</td>",
    ):
        assert words in html
    assert verdict.evidence in Outcome(swept).markdown()


def test_what_is_told_apart_is_said_with_its_interval() -> None:
    (verdict,) = verdicts(swept := pair(5, 0.02, 0.001))
    lead = verdict.standing.rivals[0].lead
    assert (
        f"; weight_other keeps 2.00 [{100 * lead.low:.2f}, {100 * lead.high:.2f}] points less there."
        in verdict.evidence
    )
    (table,) = differences(swept)
    assert [cell.text for cell in table["sheet"].lines[0]][3:5] == ["yes", "5"]


def test_a_mean_within_a_point_is_not_enough_where_the_interval_is_not() -> None:
    """The mean drop is 0.6 points, with seeds that differ too much to say that it is at most one."""
    (verdict,) = verdicts(swept := pair(3, 0.006, 0.009))
    assert verdict.standing.best == "weight"
    other = swept.reaches["weight_other"]
    assert other.held is None
    sentence = next(each for each in findings(swept) if each.startswith("weight_other"))
    assert "nothing tried stays within 1 point of the baseline on validation" in sentence
    assert "3 seeds leave 20% open, where it loses 0.60 points [" in sentence
    alone = results(*(row for row in swept.rows.to_dict("records") if row["method"] == "weight_other"))
    (verdict,) = verdicts(alone)
    assert verdict.answer == "3 seeds are not enough to tell whether any of the weights can be removed"
    assert verdict.evidence.startswith("for at most 1 point of validation accuracy (95% confidence). The nearest is")
    assert verdicts(pair(1, 0.006, 0.0))[0].standing.drop is not None, "of one seed the drop itself counts"


def test_a_series_with_one_seed_does_not_win_over_one_with_several() -> None:
    swept = results(
        *(measured("weight", p, seed, 0.89 - 0.001 * seed, 0.89) for p in (20, 50) for seed in range(4)),
        *(measured("weight_other", p, 0, 0.89, 0.89) for p in (20, 50, 80)),
    )
    (verdict,) = verdicts(swept)
    assert verdict.standing.best == "weight"
    assert "weight_other was not tried there on two of its networks" in verdict.evidence


def test_seeds_are_paired_whatever_the_order_of_the_rows_and_only_where_both_were_tried() -> None:
    rows = pair(6, 0.01, 0.001).rows
    left_out = rows[~((rows["method"] == "weight_other") & (rows["seed"] == "5"))]
    shuffled = Results("a sweep", left_out.sample(frac=1, random_state=0), {})
    ordered = Results("a sweep", left_out, {})
    (lead,) = (rival.lead for each in verdicts(ordered) for rival in each.standing.rivals)
    (other,) = (rival.lead for each in verdicts(shuffled) for rival in each.standing.rivals)
    assert lead.n == other.n == 5
    assert abs(lead.mean) == pytest.approx(abs(other.mean))
