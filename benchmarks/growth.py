"""How cost grows: sweeps of 10, 100 and 1,000 jobs on the digits, their report, and two workers against one.

python -m benchmarks growth        about 10 minutes; not part of `make bench`
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.process import python
from benchmarks.ratio import Ratio, duration

SMALL = ("data=digits", "model=mlp_small", "training.epochs=2", "measure=off", "trainer.progress=false")
SIZES = (10, 100, 1000)
TENTH = 10
TUNED = 40


def measure() -> list[Ratio]:
    """The first and the last tenth of each sweep, its report, and joblib's two workers."""
    ratios = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            seeds = max(1, size // 100)
            percentages = ",".join(str(value) for value in range(size // seeds))
            command = [f"percentage={percentages}", f"seed={','.join(map(str, range(seeds)))}", "model.hidden=[32,16]"]
            seconds, memory = _sweep(Path(folder), [*SMALL, *command])
            redraw = "from prunelab.cli.report import main; main()"
            report = duration(partial(python, "-c", redraw, "data=digits", cwd=Path(folder)))
        each = max(1, size // TENTH)
        first, last = seconds[1 : each + 1], seconds[-each:]  # the very first job trains or imports
        ratios.append(
            Ratio(f"{size:,} jobs: median of the last tenth / of the first", median(last), median(first), 1.2, 1)
        )
        print(
            f"{size:,} jobs: {sum(seconds):.1f} s in jobs, {1000 * median(seconds):.0f} ms a job, "
            f"{memory:.0f} MiB at most, report {report:.1f} s",
            flush=True,
        )
    return [*ratios, _workers("mlp_small", 50, 1 / 1.5), _workers("mlp", 10, None)]


def _workers(model: str, epochs: int, target: float | None) -> Ratio:
    """Seconds a job, of jobs that fine-tune, from the end of the first to that of the last: two at once or one by one.

    One by one, each may use both cores; two at once, one core each.
    """
    base = ["data=digits", f"model={model}", "training.epochs=2", "measure=off", "trainer.progress=false"]
    tuned = [*base, "recovery=finetune", f"recovery.epochs={epochs}", f"percentage=range(0,{TUNED})"]
    each = []
    for launcher in (["trainer.threads=2"], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]):
        with tempfile.TemporaryDirectory() as folder:
            _sweep(Path(folder), [*base, "percentage=0"])  # the baseline
            seconds, _ = _sweep(Path(folder), [*tuned, *launcher])
            each.append(sum(seconds) / len(seconds))
    serial, parallel = each
    return Ratio(f"a job that fine-tunes {model}: joblib with 2 workers / serial", parallel, serial, target, 1)


def _sweep(folder: Path, overrides: list[str]) -> tuple[list[float], float]:
    """Seconds of each job, by the clock between the lines that report them, and MiB at the peak."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "prunelab", "-m", f"paths.root={folder}", *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    stamps = [time.perf_counter() for line in process.stdout if re.match(r"\[ *\d+/", line)]
    process.wait()
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return [after - before for before, after in pairwise(stamps)], memory
