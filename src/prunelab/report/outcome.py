"""Everything a report shows of results: as files, as the description of a run, and on the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from prunelab import names
from prunelab.report.console import PLAIN
from prunelab.report.draw_terminal import terminal_chart
from prunelab.report.figures import draw
from prunelab.report.findings import findings
from prunelab.report.latex import as_latex
from prunelab.report.page import page
from prunelab.report.pictures import Picture
from prunelab.report.provenance import Provenance
from prunelab.report.published import comparison
from prunelab.report.results import Results
from prunelab.report.series import place
from prunelab.report.tables import ON_TEST_IMAGES, as_markdown, as_rich
from prunelab.report.verdict import verdicts

DPI = 130
BESIDE = "Comparison with the published report (its percentages are our interpretation)"
LONGEST = 8000
"""Characters of a description; MLflow cuts off the rest of a longer one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results, with what only the page shows: provenance and pictures."""

    results: Results
    provenance: Provenance | None = None
    pictures: Sequence[Picture] = ()

    def files(self) -> dict[str, str | bytes]:
        """By path: the page, every row as CSV, the table for LaTeX, and the figures as PNG."""
        pngs = {}
        for name, figure in draw(self.results, self.pictures).items():
            buffer = io.BytesIO()
            figure.savefig(buffer, dpi=DPI)
            pngs[name] = buffer.getvalue()
        sheet = page(self.results, self.provenance, self.pictures, still=pngs["accuracy"])
        return {
            names.RESULTS_FILE: self.results.rows.to_csv(index=False),
            names.LATEX_FILE: as_latex(self.results),
            names.REPORT_FILE: sheet.encode(),
            **{f"{names.FIGURES}/{name}.png": png for name, png in pngs.items()},
        }

    def markdown(self) -> str:
        """Verdict, findings and tables."""
        results, published = self.results, comparison(self.results)
        parts = [
            *([f"**{results.incomplete.capitalize()}**"] if results.incomplete else []),
            *(f"**{verdict.answer}** {verdict.evidence}" for verdict in verdicts(results)),
            f"The whole comparison on one page: `{names.REPORT_FILE}` among the artifacts.",
            "\n".join(f"- {sentence}" for sentence in (*results.verdicts, *findings(results))),
            f"Networks and data: {place(results.rows)}.",
            as_markdown(results.table),
        ]
        if published is not None:
            parts += [f"{BESIDE}:", as_markdown(published)]
        return "\n\n".join(parts)

    def say(self, console: Console) -> None:
        """Print tables, chart and findings; of a search what it chose by, validation, and nothing on test images."""
        results, published = self.results, comparison(self.results)
        plain = console.options.ascii_only
        title = "; ".join(filter(None, [f"{results.name}: {place(results.rows)}", results.incomplete]))
        if results.searched:  # whoever sees test accuracy while choosing has chosen on it
            unseen = results.table.drop(columns=[*ON_TEST_IMAGES], errors="ignore")
            console.print(as_rich(unseen, title, console.width, plain))
            for sentence in results.verdicts:
                console.print(sentence, **PLAIN)
            return
        console.print(as_rich(results.table, title, console.width, plain))
        if (chart := terminal_chart(results)) is not None:
            console.print(chart)
        if published is not None:
            console.print(as_rich(published, BESIDE, console.width, plain))
        for sentence in (*results.verdicts, *findings(results)):
            console.print(sentence, **PLAIN)


def cut(text: str) -> str:
    """As many whole lines as a description can hold."""
    if len(text) <= LONGEST:
        return text
    more = f"\n\n(There is more in `{names.REPORT_FILE}`.)"
    return text[: text.rindex("\n", 0, LONGEST - len(more))] + more
