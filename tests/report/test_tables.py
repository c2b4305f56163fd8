"""Tables: nothing of a cell is cut off, whatever the width."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from prunelab.report.tables import as_rich

TABLE = pd.DataFrame(
    {
        "series": ["neuron_activation + least_squares"] * 2,
        "percentage": [0.0, 99.0],
        "test/accuracy": [0.8852, 0.1],
        "± test/accuracy": [0.001, 0.002],
        "test/loss": [0.3, 2.3026],
        "accuracy_drop": [0.0, 0.7852],
        "weights/remaining": [2386000, 1000],
        "neurons/remaining": [2700, 27],
        "compression_ratio": [1.0, 2386.0],
        "theoretical_speedup": [1.0, 2380.0],
        "emptied": ["", "4"],
        "n": [3, 3],
    }
)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_narrow_terminal_gets_fewer_columns_but_whole_cells(width: int) -> None:
    output = io.StringIO()
    Console(file=output, width=width).print(as_rich(TABLE, "sweep", width))
    drawn = output.getvalue()
    for cell in ("neuron_activation + least_squares", "0.8852 ± 0.0010", "+0.7852"):
        assert cell in drawn
    assert ("2.3026" in drawn) == (width > 80)
    assert "…" not in drawn
    assert max(map(len, drawn.splitlines())) <= width
    assert ("2,386,000" in drawn) == (width == 160)
    assert "n: seeds" in drawn
    assert ("smaller by: all" in " ".join(drawn.split())) == ("2,386.00x" in drawn or "2386.00x" in drawn)
