"""docs/own_network.ipynb: its cells run, and it shows what they print."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "own_network.ipynb"
NUMBER = re.compile(r"\d+(\.\d+)?(e-\d+)?")
ACCURACY = re.compile(r"\d\.\d{3}")


def test_every_cell_runs_and_prints_what_the_notebook_shows() -> None:
    """But for numbers: rounding decides which channels go, and so do kernels that other tests have put in."""
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
        ours = printed.getvalue()
        shown = "".join(text for output in cell["outputs"] for text in output["text"])
        assert NUMBER.sub("#", ours) == NUMBER.sub("#", shown)
        if "result" not in namespace:
            assert ACCURACY.sub("#", ours) == ACCURACY.sub("#", shown)
        for one, other in zip(ACCURACY.findall(ours), ACCURACY.findall(shown), strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.05)
            accuracies.append(float(one))
    before, again, after = accuracies
    assert before == again > 0.9
    assert after > 0.8
    result = namespace["result"]
    units = re.search(r"units +(\d+) -> (\d+)", ours)
    assert units is not None
    assert (int(units[1]), int(units[2])) == (80, 40)
    assert result.after.parameters < result.before.parameters / 2  # type: ignore[attr-defined]
