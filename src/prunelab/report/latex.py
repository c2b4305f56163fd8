r"""The rows of a sweep as a LaTeX table, to be `\input` into a paper; it needs the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from prunelab import names
from prunelab.report.results import Results
from prunelab.report.speed import UNSTEADY, batch_sizes
from prunelab.report.tables import WITH_BARS, sheet

COLUMNS = ("series", names.PERCENTAGE, *WITH_BARS, names.COMPRESSION_RATIO, names.THEORETICAL_SPEEDUP, "n")
"""The columns of the table beside those of measured speed, as far as the sweep has them."""
PAGE = 45
"""Rows that fit on a page; a longer table needs the package longtable."""
SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "-": "{-}"},
    **{"±": r"$\pm$", "×": r"$\times$", "–": "--", "…": r"\ldots{}"},
}


def as_latex(results: Results) -> str:
    """The means over seeds with their bars and numbers of seeds; comments say what they are."""
    speeds = [names.speedup(size) for size in batch_sizes(results.table.columns)]
    made = sheet(results.table, (*COLUMNS, *speeds), WITH_BARS, always=("n",))
    long = len(made.lines) > PAGE
    environment = "longtable" if long else "tabular"
    blocks = [
        "\n".join(_line([escaped(first), *map(_number, rest)]) for first, *rest in block)
        for _, block in groupby(made.texts, key=lambda line: line[0])
    ]
    return "\n".join(
        [
            f"% {' '.join(results.name.split())}: means over seeds, ± {results.bars.words}; n seeds.",
            f"% Written by prunelab. Takes \\usepackage{{booktabs}}{' and longtable' if long else ''}.",
            f"\\begin{{{environment}}}{{l{'r' * (len(made.headings) - 1)}}}",
            r"\toprule",
            _line(escaped(heading.text) for heading in made.headings),
            r"\midrule",
            *([r"\endhead"] if long else []),
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            f"\\end{{{environment}}}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """A text that LaTeX prints letter for letter, on one line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return "".join(SPECIAL.get(letter, letter) for letter in line)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _number(text: str) -> str:
    """A number in math mode, for its minus sign."""
    if text in ("", UNSTEADY):
        return escaped(text)
    for plain, symbol in (("±", r"\pm"), ("x", r" \times"), (",", "{,}"), ("inf", r"\infty")):
        text = text.replace(plain, symbol)
    return f"${text}$"
