"""The rows that the published report prints, beside ours.

The published report does not label its rows with percentages and prints some without the accuracy. Both lists begin
with the unpruned network. The neuron list then has nine rows for its nine percentages; the weight list has ten, one
more than the percentages it names, and fits its text ("near 0.87 at 50%") only if it begins at 10%. That reading is
ours.
"""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from prunelab import names
from prunelab.report.results import Results
from prunelab.report.series import PERCENTAGE_OF

PERCENTAGES = {
    "weight": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99],
    "neuron": [0, 20, 30, 40, 50, 60, 70, 80, 90, 99],
}
ACCURACY = "published accuracy"
LOSS = "published loss"


def published() -> pd.DataFrame:
    """Columns `series`, `percentage`, `published accuracy`, `published loss`; missing where it prints none."""
    with (files("prunelab.report") / "published.csv").open() as file:
        printed = pd.read_csv(file)
    return pd.DataFrame(
        {
            "series": printed["method"],
            names.PERCENTAGE: [
                float(PERCENTAGES[method][row]) for method, row in zip(printed["method"], printed["row"], strict=True)
            ],
            ACCURACY: printed["test_accuracy"],
            LOSS: printed["test_loss"],
        }
    )


def comparison(results: Results) -> pd.DataFrame | None:
    """Our means beside what it prints, of a sweep of its network on its data alone; None for any other."""
    rows = results.labelled
    if set(zip(rows["data"], rows["model"], rows[PERCENTAGE_OF], strict=True)) != {("fashion_mnist", "mlp", "units")}:
        return None
    both = beside(results.table)
    return None if both is None else both.dropna(subset=[ACCURACY, LOSS], how="all")


def beside(table: pd.DataFrame) -> pd.DataFrame | None:
    """Our rows for which the published report prints something, with what it prints; None if there are none."""
    ours = table[["series", names.PERCENTAGE, names.TEST_ACCURACY, names.TEST_LOSS]]
    both = ours.merge(published(), on=["series", names.PERCENTAGE], how="inner")
    return None if both.empty else both
