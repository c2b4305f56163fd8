"""The table for LaTeX: whole lines, numbers with their intervals, and no letter that LaTeX takes for a command."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.sweeps import job, many, ordinary, results

from prunelab.report.bars import Bars
from prunelab.report.latex import SPECIAL, as_latex, escaped
from prunelab.report.results import Results

HARM = r"a_b & 50% of {x} #1 $y$ ~z^2 \input{/etc/passwd} <é>"


def lines(tex: str) -> list[str]:
    return [line for line in tex.splitlines() if not line.startswith("%")]


def cells(line: str) -> list[str]:
    assert line.endswith(r" \\"), line
    return re.split(r"(?<!\\)&", line.removesuffix(r"\\"))


@pytest.mark.parametrize("swept", [ordinary(), many(10, 6, 2), results(job("weight", 20))])
def test_every_line_has_as_many_cells_as_columns_and_braces_close(swept: Results) -> None:
    tex = as_latex(swept)
    body = lines(tex)
    (columns,) = re.findall(r"\\begin\{(?:tabular|longtable)\}\{(l r*|lr*)\}", tex)
    rows = [line for line in body if line.endswith(r"\\")]
    assert len(rows) == len(swept.table) + 1
    assert {len(cells(row)) for row in rows} == {len(columns)}
    plain = re.sub(r"\\[{}\\]", "", "\n".join(body))
    assert plain.count("{") == plain.count("}")
    for command in (r"\toprule", r"\bottomrule"):
        assert body.count(command) == 1
    assert body.count(r"\midrule") == swept.table["series"].nunique()
    assert body[0].startswith(r"\begin{") == body[-1].startswith(r"\end{") == True  # noqa: E712


def test_numbers_have_their_interval_and_n_and_the_head_says_which() -> None:
    swept = results(job("weight", 20, 0), job("weight", 20, 5))
    tex = as_latex(swept)
    half = 12.7062 * 0.005 / 2
    assert rf"$0.8975 \pm {half:.4f}$" in tex
    assert lines(tex)[4].rstrip(r"\ ").endswith("$2$")
    assert "95% confidence interval of the mean" in tex
    deviation = as_latex(replace(swept, bars=Bars.DEVIATION))
    assert r"$0.8975 \pm 0.0035$" in deviation
    assert "standard deviation over seeds" in deviation
    assert lines(as_latex(results(job("weight", 20))))[4].rstrip(r"\ ").endswith("$1$")


def test_names_are_printed_letter_for_letter() -> None:
    assert escaped("50% a_b & #1") == r"50\% a\_b \& \#1"
    assert r"\input" not in escaped(HARM)
    assert escaped("two\nlines\x00") == "two lines"


@given(st.text())
def test_no_special_letter_is_left(text: str) -> None:
    done = escaped(text)
    for written in sorted(SPECIAL.values(), key=len, reverse=True):
        done = done.replace(written, "")
    assert not set(done) & set("\\&%$#_{}~^")
    assert "\n" not in done


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_it_compiles(tmp_path: Path) -> None:
    (tmp_path / "results.tex").write_text(as_latex(results(job(HARM, 0), job("weight", 20))))
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{results}\end{document}"
    (tmp_path / "paper.tex").write_text(head)
    done = subprocess.run(["pdflatex", "-halt-on-error", "paper"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
