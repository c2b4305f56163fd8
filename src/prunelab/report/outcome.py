"""All that there is to show of results: tables, findings, figures; as texts, as files, and on the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from prunelab import names
from prunelab.report.figures import draw
from prunelab.report.findings import findings
from prunelab.report.published import ACCURACY, LOSS, beside
from prunelab.report.results import Results, over_seeds, unpruned
from prunelab.report.tables import as_markdown, as_rich
from prunelab.report.terminal import accuracy_plot

DPI = 130
BESIDE = "Beside the published report (its percentages are our reading)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results, their table over seeds, that table beside the published report's where it fits, and the findings."""

    results: Results
    table: pd.DataFrame
    published: pd.DataFrame | None
    sentences: tuple[str, ...]

    def files(self) -> dict[str, str | bytes]:
        """Every row as CSV, and the figures as PNG, by path."""
        figures = {f"{names.FIGURES}/{name}.png": _png(figure) for name, figure in draw(self.results).items()}
        return {names.RESULTS_FILE: self.results.rows.to_csv(index=False), **figures}

    def markdown(self) -> str:
        """Findings and tables."""
        parts = ["\n".join(f"- {sentence}" for sentence in self.sentences), as_markdown(self.table)]
        if self.published is not None:
            parts += [f"{BESIDE}:", as_markdown(self.published)]
        return "\n\n".join(parts)

    def say(self, console: Console) -> None:
        """Tables, the plot and findings."""
        plain = console.options.ascii_only
        console.print(as_rich(self.table, self.results.name, console.width, plain))
        levels = [dense[names.BASELINE_ACCURACY] for dense in unpruned(self.results.rows).values()]
        plot = accuracy_plot(self.table, levels)
        if plot is not None:
            console.print(plot)
        if self.published is not None:
            console.print(as_rich(self.published, BESIDE, console.width, plain))
        for sentence in self.sentences:
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def outcome_of(results: Results, verdicts: Sequence[str] = ()) -> Outcome:
    """What there is to show; `verdicts`, or else those kept with the results, stand first."""
    table = over_seeds(results.rows)
    return Outcome(results, table, _published(results, table), (*(verdicts or results.verdicts), *findings(results)))


def _published(results: Results, table: pd.DataFrame) -> pd.DataFrame | None:
    if set(results.rows["data"]) != {"fashion_mnist"}:
        return None
    both = beside(table)
    return None if both is None else both.dropna(subset=[ACCURACY, LOSS], how="all")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    return buffer.getvalue()
