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

from benchmarks import growth, jobs, latency, recovering, server, startup, training, whole_report
from benchmarks.ratio import Ratio
from benchmarks.table import table
from prunelab.tracking.environment import git_state, machine, versions

BENCHMARKS: dict[str, Callable[[], list[Ratio]]] = {
    "training": training.measure,
    "jobs": jobs.measure,
    "recovering": recovering.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "whole_report": whole_report.measure,
    "arithmetic": whole_report.arithmetic,
    "growth": growth.measure,
    "server": server.measure,
}
LONG = ("growth", "server")
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Run all benchmarks, or those that are named."""
    wanted = sys.argv[1:] or [name for name in BENCHMARKS if name not in LONG]
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks: unknown: {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    ratios: list[Ratio] = []
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found = BENCHMARKS[name]()
        ratios += found
        for ratio in found:
            print(f"  {ratio.name}: {ratio.value:.2f}", file=sys.stderr, flush=True)
    print("Ratios (medians, both sides measured in this run)\n")
    print(table(["what", "ours, s", "theirs, s", "ratio", "target", "n", ""], map(_row, ratios)))
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


def _row(ratio: Ratio) -> list[str]:
    times = [f"{value:.3f}" if value >= 0.1 else f"{value:.3g}" for value in (ratio.ours, ratio.theirs)]
    target = _target(ratio)
    met = ("met" if ratio.met else "NOT MET") if target else ""
    return [ratio.name, *times, f"{ratio.value:.2f}", target, str(ratio.repeats), met]


def _target(ratio: Ratio) -> str:
    """The longest time, or the largest ratio (with the smallest, if there is one), or nothing."""
    if ratio.seconds is not None:
        return f"<= {ratio.seconds:.3g} s"
    if ratio.least is not None:
        return f"{ratio.least:.3g} to {ratio.target:.3g}"
    return "" if ratio.target is None else f"<= {ratio.target:.3g}"


if __name__ == "__main__":
    main()
