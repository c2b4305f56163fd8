"""Intervals, Holm's procedure and power are those of the books; coverage is what is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prunelab.report.chance import (
    POWER,
    estimate,
    half_width,
    holm,
    p_values,
    power,
    resolution,
    seeds_needed,
)


def test_an_interval_is_that_of_the_paired_t_test() -> None:
    one, other = np.array([0.881, 0.874, 0.879, 0.883]), np.array([0.878, 0.872, 0.880, 0.877])
    theirs = stats.ttest_rel(one, other)
    ours = estimate(list(one - other))
    ends = theirs.confidence_interval(0.95)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((np.mean(one - other), ends.low, ends.high))
    assert (ours.n, ours.apart) == (4, theirs.pvalue < 0.05)
    assert p_values(np.array([ours.mean]), np.array([ours.deviation]), 4)[0] == pytest.approx(theirs.pvalue)
    assert half_width(ours.deviation, 4) == pytest.approx(ours.high - ours.mean)


def test_of_one_seed_nothing_is_known() -> None:
    assert not estimate([0.5]).apart
    assert half_width(0.1, 1) == 0
    assert p_values(np.array([0.5]), np.array([0.0]), np.array([1]))[0] == 1


@pytest.mark.parametrize("n", [2, 5, 10])
def test_an_interval_holds_the_true_mean_as_often_as_it_says(n: int) -> None:
    draws = np.random.default_rng(n).normal(0.3, 0.1, size=(4000, n))
    for level in (0.95, 0.8):
        found = [estimate(list(values), level) for values in draws[:1000]]
        share = np.mean([each.low <= 0.3 <= each.high for each in found])
        assert share == pytest.approx(level, abs=3 * (level * (1 - level) / 1000) ** 0.5)


def test_seeds_that_agree_to_the_image_are_not_taken_for_certainty() -> None:
    step = 1 / 360
    agreed = [step, step]
    assert estimate(agreed).apart
    assert not estimate(agreed, resolution=step).apart
    assert estimate([40 * step, 42 * step], resolution=step) == estimate([40 * step, 42 * step])


@given(st.lists(st.integers(0, 6000), min_size=1, max_size=30))
def test_the_step_of_accuracies_is_never_below_one_image(correct: list[int]) -> None:
    step = resolution(count / 6000 for count in correct)
    assert step * 6000 == pytest.approx(round(step * 6000))
    assert all((count / 6000 / step) == pytest.approx(round(count / 6000 / step)) for count in correct)


def test_numbers_that_are_no_shares_of_images_have_no_step() -> None:
    assert resolution(np.random.default_rng(0).normal(size=20)) == 0
    assert resolution([count / 6000 for count in (5311, 5323, 5290)]) == pytest.approx(1 / 6000)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_levels_pass_exactly_the_comparisons_that_his_procedure_rejects(p: list[float]) -> None:
    levels = holm(np.array(p))
    count, rejecting, rejected = len(p), True, set()
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        rejecting = rejecting and p[index] <= (1 - 0.95) / (count - rank)
        if rejecting:
            rejected.add(int(index))
    assert {index for index in range(count) if p[index] <= 1 - levels[index] + 1e-15} == rejected
    assert (levels >= 0.95 - 1e-12).all()


def test_holm_by_hand() -> None:
    assert holm(np.array([0.03, 0.001, 0.2])) == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 3, 1 - 0.05 / 2])
    assert holm(np.array([0.001, 0.002])) == pytest.approx([1 - 0.05 / 2, 0.95])


@pytest.mark.parametrize(("difference", "deviation", "n"), [(0.01, 0.009, 5), (0.01, 0.02, 10), (-0.01, 0.004, 3)])
def test_power_is_how_often_a_t_test_finds_the_difference(difference: float, deviation: float, n: int) -> None:
    draws = np.random.default_rng(n).normal(difference, deviation, size=(20000, n))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power(difference, deviation, n) == pytest.approx(found, abs=0.012)


def test_power_does_not_break_at_its_ends() -> None:
    assert power(0.5, 1e-6, 50) == pytest.approx(1)
    assert power(0.0, 0.1, 50) == 0
    assert power(0.1, 0.0, 2) == 1
    assert power(0.1, 0.1, 1) == 0


def test_the_seeds_needed_are_the_fewest_that_have_the_power() -> None:
    assert seeds_needed(0.01, 0.01) == 10  # a paired t test at 5% that is to find one deviation
    for level in (0.95, 0.995):
        needed = seeds_needed(0.004, 0.009, level)
        assert needed is not None
        assert power(0.004, 0.009, needed, level) >= POWER > power(0.004, 0.009, needed - 1, level)
    assert seeds_needed(0.00001, 0.01) is None
    assert seeds_needed(0.0, 0.01) is None
