"""`make bench`: run the benchmarks, print their ratios, write them to `benchmarks/results/latest.json`.

python -m benchmarks [NAME ...]   training, jobs, recovering, latency, startup, whole_report, arithmetic; if named also
                                  growth, server
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import arithmetic, growth, jobs, latency, recovering, server, startup, training, whole_report
from benchmarks.ratio import Ratio
from prunelab.tracking.environment import git_state, machine, versions

BENCHMARKS: dict[str, Callable[[], list[Ratio]]] = {
    "training": training.measure,
    "jobs": jobs.measure,
    "recovering": recovering.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "whole_report": whole_report.measure,
    "arithmetic": arithmetic.measure,
    "growth": growth.measure,
    "server": server.measure,
}
WIDE = 130
"""Columns of the table where there is no terminal."""
LONG = ("growth", "server")
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """All benchmarks, or those that are named."""
    wanted = sys.argv[1:] or [name for name in BENCHMARKS if name not in LONG]
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks: no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    ratios: list[Ratio] = []
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        ratios += BENCHMARKS[name]()
    Console(width=None if sys.stdout.isatty() else WIDE).print(_table(ratios))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "ratios": [{**asdict(ratio), "value": ratio.value, "met": ratio.met} for ratio in ratios],
                "machine": machine(),
                "versions": versions(),
                "commit": git_state(),
            },
            indent=2,
        )
    )


def _table(ratios: list[Ratio]) -> Table:
    table = Table(title="Ratios (medians, both sides measured in this run)", title_justify="left")
    for heading in ("what", "ours, s", "theirs, s", "ratio", "target", "n", ""):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for ratio in ratios:
        table.add_row(
            ratio.name,
            _seconds(ratio.ours),
            _seconds(ratio.theirs),
            f"{ratio.value:.2f}",
            _target(ratio),
            str(ratio.repeats),
            ("met" if ratio.met else "NOT MET") if _target(ratio) else "",
        )
    return table


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.3g}"


def _target(ratio: Ratio) -> str:
    """The longest time, the largest ratio (with the smallest, where there is one), or none."""
    if ratio.seconds is not None:
        return f"<= {ratio.seconds:.3g} s"
    if ratio.least is not None:
        return f"{ratio.least:.3g} to {ratio.target:.3g}"
    return "" if ratio.target is None else f"<= {ratio.target:.3g}"


if __name__ == "__main__":
    main()
