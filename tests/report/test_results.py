"""Rows of a sweep: means over seeds, several sweeps as one, networks that lost a layer left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.report.sweeps import job, results

from prunelab import names
from prunelab.report.bars import Bars
from prunelab.report.results import BAR, same_ratios, together


def test_the_table_has_the_mean_over_seeds_with_its_spread_and_how_many_there_are() -> None:
    found = results(*(job("weight", percentage, seed) for percentage in (50, 0) for seed in (0, 1, 2)))
    assert list(found.table[names.PERCENTAGE]) == [0, 50]
    row = found.at("weight", 50)
    assert row["n"] == 3
    assert row[names.TEST_ACCURACY] == pytest.approx(0.899)
    deviation = replace(found, bars=Bars.DEVIATION).at("weight", 50)
    assert deviation[BAR + names.TEST_ACCURACY] == pytest.approx(0.001)
    assert row[BAR + names.TEST_ACCURACY] > deviation[BAR + names.TEST_ACCURACY], "an interval of three is wider"
    assert results(job("weight", 50)).at("weight", 50)[BAR + names.TEST_ACCURACY] == 0


def test_sweeps_of_one_name_are_numbered_and_their_rows_keep_apart() -> None:
    one, other = results(job("weight", 0)), replace(results(job("weight", 0)), planned=3, verdicts=("so far.",))
    both = together([one, other])
    assert list(both.rows[names.SWEEP_COLUMN]) == ["a sweep #1", "a sweep #2"]
    assert both.verdicts == ("a sweep #2: so far.",)
    assert both.incomplete == "incomplete: 2 of 4 jobs"
    assert one.incomplete == ""


def test_networks_that_lost_a_layer_and_their_accuracy_are_left_out_unless_all_did() -> None:
    whole, dead = (
        job("weight", 50),
        job("weight", 100, **{names.layer(names.REMAINING, 1): 0, names.TEST_ACCURACY: 0.1}),
    )
    assert list(results(whole, dead).alive[names.PERCENTAGE]) == [50]
    assert len(results(dead).alive) == 1


def test_ratios_are_the_same_only_if_they_are_in_every_row() -> None:
    equal = {names.THEORETICAL_SPEEDUP: 2.0, names.COMPRESSION_RATIO: 2.0}
    assert same_ratios(results(job("weight", 50, **equal)).table)
    assert not same_ratios(results(job("weight", 50, **equal), job("weight", 80)).table)
