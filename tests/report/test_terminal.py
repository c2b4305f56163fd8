"""The chart on the terminal: every point where it belongs, in whatever the terminal can show."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.conftest import SMALL, Project
from tests.report.sweeps import job, results

from prunelab import names
from prunelab.report.chart import Axis, Chart, Line
from prunelab.report.draw_terminal import MOST, ROWS, TerminalChart, terminal_chart
from prunelab.report.looks import PALETTE


def chart_of(**series: dict[float, float]) -> TerminalChart | None:
    """The chart of these accuracies by percentage, on validation the same as on test; the unpruned one is 0.9."""
    return terminal_chart(
        results(
            *(
                job(name, percentage, **{names.TEST_ACCURACY: value, names.VAL_ACCURACY: value})
                for name, points in series.items()
                for percentage, value in points.items()
            )
        )
    )


def drawn(chart: TerminalChart | None, width: int = 80, **console: object) -> list[str]:
    """The lines on a terminal or in a file."""
    assert chart is not None
    output = io.StringIO()
    Console(file=output, width=width, **console).print(chart)  # type: ignore[arg-type]
    return output.getvalue().splitlines()


def ascii_file() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


def test_every_point_has_its_letter_at_its_percentage_and_accuracy() -> None:
    lines = drawn(chart_of(weight={0: 0.9, 50: 0.8, 100: 0.1}, neuron={0: 0.5, 100: 0.3}))
    plot = [line.ljust(80) for line in lines[1 : 1 + ROWS]]
    left, right = plot[0].index("a"), max(line.rfind(letter) for line in plot for letter in "ab")
    assert right == 79
    assert plot[0][left] == plot[-1][right] == "a"  # the highest and the lowest of all
    assert plot[round((0.9 - 0.8) / 0.8 * (ROWS - 1))][round((left + right) / 2)] == "a"
    assert [row for row, line in enumerate(plot) if line[left] == "b"] == [round(0.4 / 0.8 * (ROWS - 1))]
    assert [row for row, line in enumerate(plot) if line[right] == "b"] == [round(0.6 / 0.8 * (ROWS - 1))]
    assert lines[-1].startswith("a weight   b neuron ")
    assert lines[-2].split() == ["0", "20", "40", "60", "80", "100"]


def test_letters_that_would_cover_each_other_stand_side_by_side() -> None:
    many = {f"method_{n}": {0: 0.9, 50: 0.9 - 0.001 * n, 100: 0.1} for n in range(7)}
    lines = drawn(chart_of(**many))
    plot = "".join(lines[1 : 1 + ROWS])
    assert [plot.count(letter) for letter in "abcdefg"] == [3] * 7
    assert "abcdefg" in plot


def test_colours_are_those_of_the_figures_and_only_on_a_terminal() -> None:
    plot = chart_of(weight={0: 0.9, 99: 0.1}, neuron={0: 0.9, 99: 0.2})
    coloured = "\n".join(drawn(plot, force_terminal=True, color_system="truecolor"))
    for colour in PALETTE[:2]:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        assert f"\x1b[38;2;{red};{green};{blue}m" in coloured
    assert "\x1b" not in "\n".join(drawn(plot))


def test_a_log_in_ascii_has_nothing_else() -> None:
    file = ascii_file()
    Console(file=file, width=80).print(chart_of(weight={0: 0.9, 99: 0.1}))
    file.flush()
    written = file.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"a..." in written
    assert b"?" not in written


def test_of_too_many_series_the_best_are_drawn_and_the_others_counted() -> None:
    many = {f"method_{n:02}": {0: 0.9, 90: n / 100} for n in range(MOST + 3)}
    lines = drawn(chart_of(**many))
    legend = " ".join(lines[-4:])
    assert f"the best {MOST} on validation; 3 more" in legend
    assert "method_02" not in legend
    assert "method_10" in legend


def test_there_is_no_chart_of_a_single_percentage() -> None:
    assert chart_of(weight={50: 0.9}, neuron={50: 0.8}) is None


@given(
    lines=st.lists(
        st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=6), min_size=1, max_size=MOST
    ),
    level=st.floats(0, 1),
    width=st.integers(30, 140),
    ascii_only=st.booleans(),
)
def test_it_is_never_wider_than_the_terminal_nor_higher_than_it_should_be(
    lines: list[list[tuple[float, float]]], level: float, width: int, ascii_only: bool
) -> None:
    drawn = tuple(
        Line(f"series {n}", tuple(x for x, _ in points), tuple(y for _, y in points), {"color": "#0072B2"})
        for n, points in enumerate(lines)
    )
    chart = Chart("", "", "", Axis(""), Axis(""), drawn, "", {"unpruned": level})
    plot = TerminalChart(chart, frozenset(line.name for line in drawn), len(drawn))
    file = ascii_file() if ascii_only else io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    Console(file=file, width=width).print(plot)
    file.flush()
    written = file.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, written)) <= width
    assert len(written) <= ROWS + 3 + len(lines) + 1


@pytest.mark.slow
def test_a_sweep_ends_with_its_table_and_plot_in_the_encoding_of_its_log(project: Project) -> None:
    sweep = ("-m", *SMALL, "method=weight,neuron", "percentage=0,90", "seed=0,1")
    outcome = project.in_a_process(*sweep, PYTHONIOENCODING="ascii")
    assert outcome.status == 0, outcome.output
    assert outcome.output.isascii()
    assert " +- " in outcome.output
    again = subprocess.run(
        [sys.executable, "-c", "from prunelab.cli.report import main; main()", "data=digits"],
        cwd=project.folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert " ± " in again.stdout
    for output in (outcome.output, again.stdout):
        assert "test accuracy against % removed" in output
        assert "a weight   b neuron" in output
        assert "\x1b" not in output
