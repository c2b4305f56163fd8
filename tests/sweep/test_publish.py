"""A description is cut where a line ends, and says where the rest is."""

from __future__ import annotations

from prunelab.sweep.publish import LONGEST, _fitting


def test_a_description_that_mlflow_would_cut_ends_with_a_whole_line() -> None:
    short = "- a sentence\n| a row |"
    assert _fitting(short) == short
    fitted = _fitting("\n".join(f"| row {number} |" for number in range(2000)))
    assert len(fitted) <= LONGEST
    *lines, empty, last = fitted.splitlines()
    assert all(line == f"| row {number} |" for number, line in enumerate(lines))
    assert (empty, last) == ("", "The rest is in results.csv.")
