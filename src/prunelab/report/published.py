"""The values that the published report prints, beside ours.

The report does not label its rows with percentages and prints some without the accuracy. Both lists begin with the
unpruned network. The neuron list then has nine rows for its nine percentages; the weight list has ten, one more than
it names, and fits the report's text ("near 0.87 at 50%") only if it begins at 10%. That reading is ours.
"""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from prunelab import names
from prunelab.report.results import Results
from prunelab.report.series import PERCENTAGE_OF

ACCURACY = "published accuracy"
LOSS = "published loss"


def published() -> pd.DataFrame:
    """Columns `series`, `percentage`, `published accuracy`, `published loss`; NaN where none is printed."""
    with (files("prunelab.report") / "published.csv").open() as file:
        printed = pd.read_csv(file, dtype={names.PERCENTAGE: float})
    return printed.rename(columns={"method": "series", "test_accuracy": ACCURACY, "test_loss": LOSS})


def comparison(results: Results) -> pd.DataFrame | None:
    """Our means beside the printed values, where there are some; None unless all jobs prune its network on its data."""
    rows = results.labelled
    if set(zip(rows["data"], rows["model"], rows[PERCENTAGE_OF], strict=True)) != {("fashion_mnist", "mlp", "units")}:
        return None
    both = beside(results.table).dropna(subset=[ACCURACY, LOSS], how="all")
    return None if both.empty else both


def beside(table: pd.DataFrame) -> pd.DataFrame:
    """Our rows at the published percentages, with the printed values."""
    ours = table[["series", names.PERCENTAGE, names.TEST_ACCURACY, names.TEST_LOSS]]
    return ours.merge(published(), on=["series", names.PERCENTAGE], how="inner")
