"""docs/own_network.ipynb: its cells run, and it shows what they print."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch

NOTEBOOK = Path(__file__).parents[1] / "docs" / "own_network.ipynb"
ACCURACY = re.compile(r"\d\.\d{3}")
ROUNDING = re.compile(r"\de-\d\d")


@pytest.fixture
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.usefixtures("one_thread")
def test_every_cell_runs_and_prints_what_the_notebook_shows() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    namespace: dict[str, object] = {"__name__": "notebook"}
    accuracies = []
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        assert cell["execution_count"] == number, "the cells were not run in order"
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), namespace)
        shown = "".join(text for output in cell["outputs"] for text in output["text"])
        assert _without_numbers_that_vary(printed.getvalue()) == _without_numbers_that_vary(shown)
        for one, other in zip(ACCURACY.findall(printed.getvalue()), ACCURACY.findall(shown), strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.03)
            accuracies.append(float(one))
    before, _, after = accuracies
    assert before > 0.9
    assert after > 0.8


def _without_numbers_that_vary(text: str) -> str:
    """Accuracies may differ a little between machines, and what rounds to nothing has any last digit."""
    return ROUNDING.sub("rounding", ACCURACY.sub("accuracy", text))
