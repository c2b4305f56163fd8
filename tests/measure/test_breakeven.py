"""The break-even table: sparse products compute what dense ones do, and only steady cases decide."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.breakeven import QUICK, forms, measure, weights
from benchmarks.breakeven_page import BLOCK, BSR, CSR, ONNX, PIECE, SPARSE, Case, breakeven, draw, page

from prunelab.measure.latency import DENSE, Latency


def test_every_form_computes_the_same_product_and_exactly_the_share_is_removed() -> None:
    images = torch.rand(PIECE + 5, 1, 1, 32)
    every = forms((64, 32), 75)
    scattered, blocks = weights((64, 32), 75, 1), weights((64, 32), 75, BLOCK)
    assert [int((each == 0).sum()) for each in (scattered, blocks)] == [1536, 1536]
    for name, run in every.items():
        expected = images.flatten(1) @ (blocks if name == BSR else scattered).T
        found = torch.as_tensor(run(images))
        assert torch.allclose(found if found.shape == expected.shape else found.T, expected, atol=1e-5), name


def test_blocks_may_reach_beyond_a_layer_that_they_do_not_divide() -> None:
    images = torch.rand(3, 1, 1, 5 * BLOCK - 4)
    found = forms((2 * BLOCK + 1, 5 * BLOCK - 4), 50)[BSR](images)
    expected = weights((2 * BLOCK + 1, 5 * BLOCK - 4), 50, BLOCK)[: 2 * BLOCK + 1, : 5 * BLOCK - 4]
    assert torch.allclose(torch.as_tensor(found).T, images.flatten(1) @ expected.T, atol=1e-5)


def test_it_breaks_even_where_it_goes_on_winning_and_unsteady_cases_decide_nothing() -> None:
    def case(removed: float, seconds: list[float]) -> Case:
        return Case((8, 8), 1, removed, Latency(1, {DENSE: [1.0, 1.0, 1.0, 1.0], ONNX: [2.0] * 4, CSR: seconds}))

    slow, fast, shaken = [3.0] * 4, [0.5] * 4, [0.1, 9.0, 0.1, 9.0]
    assert breakeven([case(50, fast), case(80, slow), case(90, fast), case(99, fast)], CSR) == 90
    assert breakeven([case(80, slow), case(90, fast), case(95, shaken), case(99, fast)], CSR) == 90
    assert breakeven([case(99, slow)], CSR) is None


def test_a_case_whose_dense_product_disagrees_with_itself_says_nothing() -> None:
    seconds = {DENSE: [1.0] * 4, CSR: [0.5] * 4}
    assert Case((8, 8), 1, 50, Latency(1, seconds, placebo=[1.05] * 4)).gain(CSR) == 2
    assert Case((8, 8), 1, 50, Latency(1, seconds, placebo=[1.5] * 4)).gain(CSR) is None


def test_a_small_setting_gives_the_whole_table_and_its_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case, "gain", lambda case, form: case.removed / 50)
    cases = measure(QUICK)
    draw(cases, tmp_path / "picture.svg")
    assert "<svg" in (tmp_path / "picture.svg").read_text()
    written = page(cases)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines() if line.startswith("|")]
    assert len([row for row in rows if row[0] == "64 x 32"]) == 2 + 2 * 2
    assert ["out x in", "batch", *SPARSE] in rows
    assert ["out x in", "batch", "removed", DENSE, ONNX, *SPARSE] in rows
    assert "CSR, torch" in capsys.readouterr().out
