"""Reporting a large sweep: the work grows with the number of jobs, and tables and page stay usable."""

from __future__ import annotations

import cProfile
import io
import pstats
import re

import pytest
from rich.console import Console
from tests.report.sweeps import many

from prunelab.report import rivals
from prunelab.report.chance import Floats, holm
from prunelab.report.figures import draw
from prunelab.report.latex import as_latex
from prunelab.report.looks import DISTINCT
from prunelab.report.outcome import Outcome
from prunelab.report.page import page
from prunelab.report.results import Results
from prunelab.report.tables import MOST_ROWS

FEW, SEVERAL = 2 * DISTINCT, 4 * DISTINCT


def calls(swept: Results) -> int:
    """Function calls to report a sweep as page, description, LaTeX and on a terminal."""
    with cProfile.Profile() as profile:
        page(swept)
        outcome = Outcome(swept)
        outcome.markdown()
        outcome.say(Console(file=io.StringIO(), width=132))
        as_latex(swept)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_work_doubles_with_the_number_of_series() -> None:
    calls(many(2, 2, 2))  # imports and templates
    assert calls(many(SEVERAL, 3, 2)) < 2.3 * calls(many(FEW, 3, 2))


def test_the_best_series_is_compared_with_each_other_one_and_not_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[int, int | None]] = []

    def counted(p: Floats, total: int | None = None) -> Floats:
        compared.append((len(p), total))
        return holm(p, total)

    monkeypatch.setattr(rivals, "holm", counted)
    for series in (FEW, SEVERAL):
        assert many(series, 4, 5).standings[0].best is not None
    assert compared == [(3 * (count - 1), 3 * count * (count - 1) // 2) for count in (FEW, SEVERAL)], "0% is no choice"


@pytest.mark.slow
def test_ten_thousand_rows_are_no_page_or_terminal_full_of_them() -> None:
    swept = many(MOST_ROWS // 4, 5, 1)
    html, printed = page(swept), io.StringIO()
    assert len(swept.table) > MOST_ROWS
    results = html[html.index('<section id="results">') :]
    assert results.count("<tr>") == MOST_ROWS + 1
    assert f"The first {MOST_ROWS} of {len(swept.table)} rows" in results
    Outcome(swept).say(Console(file=printed, width=132))
    assert f"the first {MOST_ROWS} of {len(swept.table)} rows, all are in results.csv" in " ".join(
        re.sub(r"\s+", " ", printed.getvalue()).split()
    )
    assert as_latex(swept).count("\\\\\n") == len(swept.table) + 1
    for name in ("accuracy", "survivors"):
        figure = draw(swept)[name]
        assert max(figure.get_size_inches()) < 40
        assert len([axes for axes in figure.axes if axes.get_lines()]) <= DISTINCT
