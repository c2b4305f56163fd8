"""Exactly floor(percentage x units / 100) units go, ties by position; masks nest as the percentage grows."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from prunelab.choices import Scope
from prunelab.errors import PrunelabError
from prunelab.pruning.selection import SCOPES, lowest, removed_count, select

scopes = st.sampled_from(list(SCOPES))
floors = st.integers(0, 4)

percentages = st.one_of(st.integers(0, 100).map(float), st.floats(0, 100))
# Few distinct values, so that ties are the rule.
layers = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30).map(torch.tensor), min_size=1, max_size=4
)


def taken(scores: list[Tensor], percentage: float, scope: Scope, min_keep: int = 0) -> list[Tensor]:
    """What stays at a percentage."""
    return select(scores, removed_count(percentage, sum(score.numel() for score in scores)), scope, min_keep)


@given(layers, percentages, scopes, floors)
def test_exactly_the_floor_is_removed_also_with_ties(
    scores: list[Tensor], percentage: float, scope: Scope, min_keep: int
) -> None:
    units = sum(score.numel() for score in scores)
    kept = taken(scores, percentage, scope, min_keep)
    assert units - sum(int(mask.sum()) for mask in kept) == Fraction(repr(percentage)) * units // 100


@given(layers, percentages, percentages, scopes, floors)
def test_masks_nest_as_the_percentage_grows(
    scores: list[Tensor], one: float, other: float, scope: Scope, min_keep: int
) -> None:
    fewer, more = (taken(scores, percentage, scope, min_keep) for percentage in sorted((one, other)))
    for before, after in zip(fewer, more, strict=True):
        assert not (after & ~before).any()


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50), st.data())
def test_the_lowest_are_those_a_stable_sort_puts_first(values: list[float], data: st.DataObject) -> None:
    scores = torch.tensor(values)
    count = data.draw(st.integers(0, len(values)))
    expected = torch.zeros(len(values), dtype=torch.bool)
    expected[scores.sort(stable=True).indices[:count]] = True
    assert torch.equal(lowest(scores, count), expected)


@pytest.mark.parametrize("percentage", [20, 30, 40, 50, 60, 70, 80, 90, 99, 0, 100])
def test_the_counts_of_the_report_are_exact(percentage: int) -> None:
    for units in (2_384_000, 2_700):
        assert removed_count(float(percentage), units) == percentage * units // 100


def test_a_percentage_counts_as_the_decimal_it_was_written_as() -> None:
    assert removed_count(0.1, 1000) == 1
    assert removed_count(28.999999999999996, 100) == 28
    assert removed_count(29.0, 100) == 29
    assert removed_count(0.29, 10_000) == 29


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(PrunelabError, match="not a number"):
        select([torch.tensor([1.0, float("nan")])], 1, Scope.GLOBAL)


@given(layers, percentages)
def test_per_layer_takes_the_same_share_of_every_layer(scores: list[Tensor], percentage: float) -> None:
    removed = [int((~kept).sum()) for kept in taken(scores, percentage, Scope.LAYER)]
    least = max((count - 0.5) / score.numel() for count, score in zip(removed, scores, strict=True))
    most = min((count + 0.5) / score.numel() for count, score in zip(removed, scores, strict=True))
    assert least <= most, "one share, rounded to whole units in each layer, explains them all"


@given(layers, percentages, st.integers(1, 4))
def test_a_floor_is_kept_until_nothing_else_is_left(scores: list[Tensor], percentage: float, min_keep: int) -> None:
    kept = taken(scores, percentage, Scope.GLOBAL, min_keep)
    needed = [min(min_keep, score.numel()) for score in scores]
    if sum(int(mask.sum()) for mask in kept) >= sum(needed):
        assert all(int(mask.sum()) >= n for mask, n in zip(kept, needed, strict=True))


def test_normalised_scores_refuse_a_layer_of_negative_mean_whose_order_would_turn() -> None:
    scores = [torch.tensor([-3.0, 1.0]), torch.tensor([1.0, 2.0])]
    with pytest.raises(PrunelabError, match="mean, which is negative"):
        select(scores, 1, Scope.GLOBAL_NORMALISED)
    assert select(scores, 1, Scope.GLOBAL)[0].tolist() == [False, True]


def test_normalised_scores_forget_the_scale_of_a_layer() -> None:
    small, large = torch.tensor([0.01, 0.02, 0.03]), torch.tensor([10.0, 20.0, 30.0])
    assert [mask.tolist() for mask in taken([small, large], 50, Scope.GLOBAL)] == [[False] * 3, [True] * 3]
    kept = taken([small, large], 34, Scope.GLOBAL_NORMALISED)
    assert [mask.tolist() for mask in kept] == [[False, True, True], [False, True, True]]


@pytest.mark.parametrize("scope", list(SCOPES))
def test_units_of_infinite_score_go_only_when_no_others_are_left(scope: Scope) -> None:
    scores = [
        torch.tensor([torch.inf, 1.0, torch.inf, 2.0]),
        torch.tensor([5.0, 0.1, 7.0]),
        torch.full((2,), torch.inf),
    ]
    for count in range(6):
        kept = select(scores, count, scope)
        assert all(bool(kept[layer][unit]) for layer, unit in ((0, 0), (0, 2), (2, 0), (2, 1)))
        assert sum(int(mask.sum()) for mask in kept) == 9 - count
    assert sum(int(mask.sum()) for mask in select(scores, 7, scope)) == 2


@given(layers, st.integers(0, 20))
def test_an_infinite_score_changes_nothing_about_the_order_of_the_others_in_its_layer(
    scores: list[Tensor], count: int
) -> None:
    with_one = [torch.cat([score, torch.tensor([torch.inf])]) for score in scores]
    for scope in (Scope.GLOBAL, Scope.GLOBAL_NORMALISED):
        most = min(count, sum(score.numel() for score in scores))
        kept, expected = select(with_one, most, scope), select(scores, most, scope)
        assert all(torch.equal(mask[:-1], other) for mask, other in zip(kept, expected, strict=True))
