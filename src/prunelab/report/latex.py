r"""The rows of a sweep as a LaTeX table, for `\input` into a paper; it takes the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from prunelab import names
from prunelab.report.results import Results
from prunelab.report.speed import UNSTEADY, batch_sizes
from prunelab.report.tables import SPREAD, sheet

SHOWN = (
    *("series", names.PERCENTAGE, names.TEST_ACCURACY, names.TEST_LOSS, names.VAL_ACCURACY, names.ACCURACY_DROP),
    *(names.COMPRESSION_RATIO, names.THEORETICAL_SPEEDUP, "n"),
)
"""The columns of the table beside those of speed, those of them that the sweep has."""
PAGE = 45
"""So many lines fit on a page; a longer table takes the package longtable."""
SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "-": "{-}"},
    **{"±": r"$\pm$", "×": r"$\times$", "–": "--", "…": r"\ldots{}"},
}


def as_latex(results: Results) -> str:
    """The means over seeds, each with its bar and number of seeds; comments say what is what."""
    table = results.table
    speeds = [names.speedup(size) for size in batch_sizes(table.columns)]
    made = sheet(table, (*SHOWN, *speeds), SPREAD, always=("n",))
    long = len(made.lines) > PAGE
    environment = "longtable" if long else "tabular"
    heading = _line(escaped(heading.text) for heading in made.headings)
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
            heading,
            r"\midrule",
            *([r"\endhead"] if long else []),
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            f"\\end{{{environment}}}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """A text as LaTeX prints it, letter for letter, on one line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return "".join(SPECIAL.get(letter, letter) for letter in line)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _number(text: str) -> str:
    """A number in mathematical mode, for its sign."""
    if text in ("", UNSTEADY):
        return escaped(text)
    for plain, symbol in (("±", r"\pm"), ("x", r" \times"), (",", "{,}"), ("inf", r"\infty")):
        text = text.replace(plain, symbol)
    return f"${text}$"
