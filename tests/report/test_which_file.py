"""Which file to take: the Pareto front is chosen on validation, and the page marks it."""

from __future__ import annotations

import re

import pytest
from tests.report.sweeps import job, results

from prunelab import names
from prunelab.report.page import page
from prunelab.report.which_file import FORMS, File, files_of, front, which_file


def file(validation: float, size: float, milliseconds: float | None = None, test: float = 0.5) -> File:
    return File("a", 50.0, FORMS[0], validation, test, size, milliseconds, False)


def test_the_front_is_what_no_other_beats_on_validation_whatever_test_says() -> None:
    small, twin, good = file(0.8, 10, 3.0), file(0.7, 10, 1.0), file(0.9, 20, test=0.1)
    beaten = file(0.85, 30, 2.0, test=0.99)
    every = [beaten, good, small, twin]
    assert front(every, "size") == [small, good]
    assert front(every, "milliseconds") == [twin, beaten]
    assert front([], "size") == []


def measured(percentage: float, **others: object) -> dict[str, object]:
    return job(
        "neuron",
        percentage,
        **{
            **{names.ONNX_BYTES: 9000.0 - 50 * percentage, names.FILE_BYTES: 9500.0 - 50 * percentage},
            **{names.INT8_BYTES: 2500.0 - 10 * percentage, names.INT8_ACCURACY: 0.88, names.INT8_VAL_ACCURACY: 0.87},
            **{names.speedup(4): 2.0, names.latency(4, "compacted"): 0.5, names.int8(names.latency(4)): 0.25},
            **{names.SPEED_RUNTIME: "onnxruntime 1, 2 threads"},
            **others,
        },
    )


def test_every_network_is_there_in_each_form_that_was_measured() -> None:
    found = files_of(results(measured(0), measured(50)).table)
    assert [(each.percentage, each.form) for each in found] == [(p, form) for p in (0.0, 50.0) for form in FORMS]
    assert [each.milliseconds for each in found[:3]] == [0.5, 0.25, None]
    assert found[1].size == 2500
    assert found[1].validation == pytest.approx(0.87)
    assert which_file(results(job("weight", 50)).table) is None


def test_the_page_has_the_section_with_both_plots_and_marks_the_front() -> None:
    html = page(results(measured(0), measured(50, **{names.SPEED_UNSTEADY: "batch 4: 31%"})))
    section = html[html.index('<section id="files">') : html.index('<section id="survivors">')]
    assert "Which file to take" in section
    assert "median of a batch of 4; onnxruntime 1, 2 threads" in section
    assert {"files_size", "files_milliseconds"} <= set(re.findall(r'data-plot="(\w+)"', section))
    lines = [line for line in section.splitlines() if line.startswith('  <tr><th scope="row"')]
    marked = [re.findall(r"<td>([^<]*)</td></tr>", line) for line in lines]
    assert marked == [["bytes"], ["time"], ["bytes"], [""], ["time"], [""]]
    assert "unsteady" in section, "the time of 50% is not to be relied on"
    assert "Which file to take" not in page(results(job("weight", 50)))
