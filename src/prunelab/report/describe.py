"""A sweep in a few words and one table, for the description of its run."""

from __future__ import annotations

import pandas as pd

from prunelab import names
from prunelab.report.findings import findings
from prunelab.report.results import Results
from prunelab.report.series import place
from prunelab.report.tables import as_markdown
from prunelab.report.verdict import verdicts

BESIDE = "Beside the published report (its percentages are our reading)"
LONGEST = 8000
"""Characters of a description; MLflow cuts what is longer."""


def sentences(results: Results) -> list[str]:
    """What the sweep decided, if it did, and what was found."""
    return [*results.verdicts, *findings(results)]


def describe(results: Results, published: pd.DataFrame | None) -> str:
    """Markdown: the verdict, the findings, the tables."""
    head = [f"**{verdict.answer}** {verdict.evidence}" for verdict in verdicts(results)]
    parts = [
        *filter(None, [results.incomplete and f"**{results.incomplete.capitalize()}**"]),
        *head,
        f"The whole comparison on one page: `{names.REPORT_FILE}` among the artifacts.",
        "\n".join(f"- {sentence}" for sentence in sentences(results)),
        f"Networks and data: {place(results.rows)}.",
        as_markdown(results.table),
    ]
    if published is not None:
        parts += [f"{BESIDE}:", as_markdown(published)]
    return "\n\n".join(parts)


def cut(text: str) -> str:
    """As many whole lines as a description can hold."""
    if len(text) <= LONGEST:
        return text
    more = f"\n\n(There is more in `{names.REPORT_FILE}`.)"
    return text[: text.rindex("\n", 0, LONGEST - len(more))] + more
