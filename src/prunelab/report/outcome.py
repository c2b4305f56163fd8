"""All that there is to show of results: page, tables, findings, figures; as files, as a text, and on the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from prunelab import names
from prunelab.report.console import PLAIN
from prunelab.report.describe import BESIDE, describe, sentences
from prunelab.report.gallery import draw
from prunelab.report.latex import as_latex
from prunelab.report.page import page
from prunelab.report.pictures import Picture
from prunelab.report.provenance import Provenance
from prunelab.report.published import comparison
from prunelab.report.results import Results
from prunelab.report.series import place, unpruned
from prunelab.report.tables import as_rich
from prunelab.report.terminal import accuracy_plot

DPI = 130


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results, their table beside the published report's where it fits, and where from."""

    results: Results
    published: pd.DataFrame | None
    provenance: Provenance | None
    pictures: Sequence[Picture]

    def files(self) -> dict[str, str | bytes]:
        """The page, every row as CSV, the table for LaTeX, and the figures as PNG, by path."""
        figures = {name: _png(figure) for name, figure in draw(self.results, self.pictures).items()}
        sheet = page(self.results, self.provenance, self.pictures, still=figures["accuracy"])
        return {
            names.RESULTS_FILE: self.results.rows.to_csv(index=False),
            names.LATEX_FILE: as_latex(self.results),
            names.REPORT_FILE: sheet.encode(),
            **{f"{names.FIGURES}/{name}.png": png for name, png in figures.items()},
        }

    def markdown(self) -> str:
        """Verdict, findings and tables."""
        return describe(self.results, self.published)

    def say(self, console: Console) -> None:
        """Tables, the plot and findings."""
        plain = console.options.ascii_only
        incomplete = self.results.incomplete
        title = f"{self.results.name}: {place(self.results.rows)}{incomplete and f'; {incomplete}'}"
        console.print(as_rich(self.results.table, title, console.width, plain))
        levels = [dense[names.BASELINE_ACCURACY] for dense in unpruned(self.results.rows).values()]
        plot = accuracy_plot(self.results.table, levels)
        if plot is not None:
            console.print(plot)
        if self.published is not None:
            console.print(as_rich(self.published, BESIDE, console.width, plain))
        for sentence in sentences(self.results):
            console.print(sentence, **PLAIN)


def outcome_of(results: Results, provenance: Provenance | None = None, pictures: Sequence[Picture] = ()) -> Outcome:
    """What there is to show."""
    return Outcome(results, comparison(results), provenance, pictures)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    return buffer.getvalue()
