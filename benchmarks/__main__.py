"""`make bench`: run the benchmarks, print their ratios, write them to `benchmarks/results/latest.json`.

python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import whole_report
from benchmarks.ratio import Ratio
from prunelab.tracking.environment import git_state, machine, versions

BENCHMARKS: dict[str, Callable[[], Ratio]] = {"whole_report": whole_report.measure}
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """All benchmarks, or those that are named."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks: no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    ratios = []
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        ratios.append(BENCHMARKS[name]())
    Console().print(_table(ratios))
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
            f"{ratio.ours:.2f}",
            f"{ratio.theirs:.2f}",
            f"{ratio.value:.2f}",
            f"<= {ratio.target:g}",
            str(ratio.repeats),
            "met" if ratio.met else "NOT MET",
        )
    return table


if __name__ == "__main__":
    main()
