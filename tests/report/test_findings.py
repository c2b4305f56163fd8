"""Findings are computed from the rows: how far a method goes, where it falls, which layer empties first."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from prunelab import names
from prunelab.report.bars import Bars
from prunelab.report.findings import findings
from prunelab.report.published import ACCURACY, LOSS, beside, published
from prunelab.report.results import BAR, Results
from prunelab.report.tables import as_markdown
from prunelab.report.verdict import verdicts

FIXED = {"recovery": "none", "data": "d", "model": "m", "epochs": "1", "batch_size": "1", "learning_rate": "1"}


def row(
    method: str, percentage: float, accuracy: float, *, val: float | None = None, seed: int = 0, left: int = 5
) -> dict:
    return {
        **FIXED,
        **{"precision": "float32", "seed": str(seed), "method": method, names.PERCENTAGE: percentage},
        **{names.TEST_ACCURACY: accuracy, names.TEST_LOSS: 1 - accuracy, names.VAL_ACCURACY: val or accuracy},
        **{names.BASELINE_ACCURACY: 0.9, names.BASELINE_LOSS: 0.3, names.BASELINE_VAL_ACCURACY: 0.9},
        **{names.COMPRESSION_RATIO: 2.0, names.layer(names.REMAINING, 1): 9, names.layer(names.REMAINING, 2): left},
    }


def results(*rows: dict) -> Results:
    return Results("sweep", pd.DataFrame(rows), {})


def test_findings_say_how_far_where_it_falls_and_what_empties() -> None:
    said = findings(results(row("a", 0, 0.9), row("a", 20, 0.895), row("a", 40, 0.88), row("a", 60, 0.1, left=0)))
    assert said[0] == "The unpruned network: test accuracy 0.9000, loss 0.3000."
    assert "within 1 point of the baseline up to 20%" in said[1]
    assert "falls most between 40% and 60%, from 0.8800 to 0.1000" in said[1]
    assert "layer 2 is emptied first, at 60%" in said[1]


def test_the_percentage_is_chosen_on_validation_not_on_test() -> None:
    said = findings(results(row("a", 0, 0.9), row("a", 20, 0.9, val=0.88), row("a", 40, 0.9, val=0.9)))
    assert "nothing tried stays within 1 point of the baseline on validation" in said[1]


def test_speed_is_spoken_of_where_something_was_removed_and_gained() -> None:
    def timed(percentage: float, accuracy: float, speedup: float) -> dict:
        form = {f"{names.FASTEST}batch_1024": "masked"}
        return {**row("a", percentage, accuracy), names.speedup(1024): speedup, **form}

    dense = timed(0, 0.9, 1.02)
    assert "at 20% measured no faster (masked, batch of 1024)" in findings(results(dense, timed(20, 0.9, 0.97)))[1]
    assert "at 20% measured 1.8x as fast (masked, batch of 1024)" in findings(results(dense, timed(20, 0.9, 1.84)))[1]
    assert "% measured" not in findings(results(dense, timed(20, 0.1, 1.84)))[1]


def test_an_unsteady_time_is_marked_in_the_table_and_in_no_finding() -> None:
    def timed(percentage: float, **others: object) -> dict:
        times = {names.speedup(1): 2.0, names.speedup(64): 3.3, f"{names.FASTEST}batch_64": "compacted"}
        return {**row("a", percentage, 0.9), **times, names.SPEED_RUNTIME: "onnxruntime 1, 2 threads", **others}

    shaken = results(timed(0), timed(20, **{names.SPEED_UNSTEADY: "batch 64: 40%"}))
    said = findings(shaken)
    assert "% measured" not in said[1]
    assert any("1 of 2 jobs" in sentence for sentence in said)
    assert "Times were measured with onnxruntime 1, 2 threads." in said
    lines = as_markdown(shaken.table).splitlines()
    assert "faster, batch 1 | faster, batch 64 | fastest form" in lines[0]
    assert "2.00x | 3.30x | compacted" in lines[2]
    assert "2.00x | unsteady | compacted" in lines[3]
    assert "at 20% measured 3.3x as fast (compacted, batch of 64)" in findings(results(timed(0), timed(20)))[1]


def test_seeds_are_averaged_with_their_interval_or_deviation_and_number() -> None:
    swept = results(row("a", 20, 0.8), row("a", 20, 0.9, seed=1), row("b", 20, 0.7))
    for bars, half in ((Bars.INTERVAL, 12.7062 * 0.070711 / 2**0.5), (Bars.DEVIATION, 0.070711)):
        first, second = replace(swept, bars=bars).table.to_dict("records")
        assert first[names.TEST_ACCURACY] == pytest.approx(0.85)
        assert first[BAR + names.TEST_ACCURACY] == pytest.approx(half, abs=1e-4)
        assert second[BAR + names.TEST_ACCURACY] == 0
        assert (first["n"], second["n"]) == (2, 1)


def test_only_a_recovery_that_trains_is_called_training() -> None:
    def swept(**tags: str) -> Results:
        return results(*({**row("a", p, 0.91), **tags} for p in (0, 20)))

    for tags, words in (
        ({names.RECOVERY_TRAINS: "true"}, "the unpruned network given the same extra training (test accuracy 0.9100)"),
        ({names.RECOVERY_TRAINS: "false"}, "the unpruned network treated alike (test accuracy 0.9100)"),
        ({}, "the unpruned network treated alike (test accuracy 0.9100)"),
    ):
        assert f"within 1 point of {words} up to 20%" in findings(swept(**tags))[1]
        (verdict,) = verdicts(swept(**tags))
        assert f"0.9100 of the unpruned network{words.partition('network')[2].partition(' (')[0]}, with" in str(verdict)


def test_a_recovery_makes_a_series_of_its_own() -> None:
    recovered = row("a", 20, 0.9) | {"recovery": "finetune"}
    assert list(results(row("a", 20, 0.8), recovered).table["series"]) == ["a", "a + finetune"]


def test_the_published_rows_are_the_reports() -> None:
    printed = published().set_index(["series", names.PERCENTAGE])
    assert printed.loc[("weight", 0), ACCURACY] == printed.loc[("neuron", 0), ACCURACY] == 0.8851
    assert printed.loc[("weight", 50), ACCURACY] == 0.8748
    assert printed.loc[("weight", 99), LOSS] == 2.3011
    assert printed.loc[("neuron", 99), ACCURACY] == 0.1
    both = beside(results(row("weight", 50, 0.88), row("other", 50, 0.8)).table)
    assert both is not None
    assert list(both["series"]) == ["weight"]
