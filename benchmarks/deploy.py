"""What the smallest deployable file costs: the published report's network with 80% of its neurons removed, in int8.

    python -m benchmarks.deploy [--seeds N] [KEY=VALUE ...]

Runs `experiment=deploy percentage=80` for seeds 0 to N - 1 (default 3), exports each network in int8, and prints: bytes
of the unpruned float32 file over those of the int8 file; int8 accuracy less unpruned accuracy, with the 95% interval of
its mean over seeds; the time of a batch of 1024 in int8 over that of the pruned float32 file; where the bytes are.
Networks are trained in, or taken from, the benchmarks' own store, or the one that `tracking.uri=` names. On 2 cores
estimated at two minutes a seed, of which training is all but 20 s.
"""

from __future__ import annotations

import prunelab  # noqa: F401  before numpy and torch, whose arithmetic it fixes

# isort: split
import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.onnx_parts import Parts, parts_of
from benchmarks.subject import FOLDER
from prunelab import names
from prunelab.compose import compose_job, split_arguments
from prunelab.config import Job
from prunelab.deploy.deployable import Wanted, export
from prunelab.errors import PrunelabError
from prunelab.job import check, run
from prunelab.report.chance import estimate
from prunelab.tracking.opening import open_store

SMALLER, LOST = 35.0, 0.015
"""What is wanted: times as small as the unpruned file, at most so much less accurate."""
BATCH = 1024


@dataclass(frozen=True, slots=True)
class Seed:
    """One network: bytes of the unpruned float32 file, the int8 file taken apart, accuracies on test images, and
    milliseconds of a batch. `unsteady`: why these cannot be relied on.
    """

    seed: int
    dense_bytes: float
    int8: Parts
    dense_accuracy: float
    int8_accuracy: float
    float32_ms: float
    int8_ms: float
    unsteady: str

    @property
    def smaller(self) -> float:
        """How many times smaller the int8 file is."""
        return self.dense_bytes / self.int8.total


def main() -> None:
    """Run the jobs, and print what they came to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deploy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds} is refused: it accepts a whole number from 1")
    console = Console(width=None if sys.stdout.isatty() else 130)
    try:
        found = [measured(job(seed, overrides)) for seed in range(arguments.seeds)]
    except PrunelabError as error:
        sys.exit(f"benchmarks.deploy: {error}")
    console.print(table(found))
    for line in summary(found):
        console.print(line, highlight=False)


def job(seed: int, overrides: Sequence[str]) -> Job:
    """The job of a seed; it has the benchmarks' store unless an override says otherwise."""
    places = [f"paths.root={FOLDER}", f"paths.data={Path.cwd() / 'data'}", "trainer.progress=false"]
    return compose_job(["experiment=deploy", "percentage=80", *places, f"seed={seed}", *overrides])


def measured(wanted: Job) -> Seed:
    """Run a job, export its network in int8, and read what was recorded."""
    check(wanted)
    result = run(wanted, [])
    store = open_store(wanted.tracking, wanted.experiment_name)
    recorded = store.get(result.run_id)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        export(store, wanted.data.folder, Wanted(result.run_id, "onnx", file, False, False, int8=True))
        parts = parts_of(file.read_bytes())
    metrics = recorded.metrics
    return Seed(
        seed=wanted.seed,
        dense_bytes=metrics[names.BASELINE_FILE_BYTES],
        int8=parts,
        dense_accuracy=metrics[names.BASELINE_ACCURACY],
        int8_accuracy=metrics[names.INT8_ACCURACY],
        float32_ms=metrics[names.latency(BATCH, "compacted")],
        int8_ms=metrics[names.int8(names.latency(BATCH))],
        unsteady=_unsteady(recorded.tags.get(names.SPEED_UNSTEADY, "")),
    )


def _unsteady(tag: str) -> str:
    """What the tag says of the batch that is looked at."""
    return next((part for part in tag.split(", ") if part.startswith(f"batch {BATCH}: ")), "")


def table(found: Sequence[Seed]) -> Table:
    """A line for each seed."""
    drawn = Table(title="80% of neurons removed, in int8", title_justify="left")
    for heading in ("seed", "bytes", "smaller", "accuracy", "unpruned", "batch 1024: int8", "float32", "unsteady"):
        drawn.add_column(heading, justify="right")
    for each in found:
        drawn.add_row(
            *(str(each.seed), f"{each.int8.total:,}", f"{each.smaller:.1f}x"),
            *(f"{each.int8_accuracy:.4f}", f"{each.dense_accuracy:.4f}"),
            *(f"{each.int8_ms:.3f} ms", f"{each.float32_ms:.3f} ms", each.unsteady),
        )
    return drawn


def summary(found: Sequence[Seed]) -> list[str]:
    """Sentences: size, accuracy, time, and where the bytes are."""
    n = len(found)
    smallest = min(each.smaller for each in found)
    lost = estimate([each.int8_accuracy - each.dense_accuracy for each in found])
    interval = f", 95% interval {lost.low:+.4f} to {lost.high:+.4f}" if n > 1 else ""
    steady = [each.int8_ms / each.float32_ms for each in found if not each.unsteady]
    time = f"{median(steady):.2f} (median of {len(steady)})" if steady else "not known: no time was steady"
    parts = found[0].int8
    return [
        f"size: at least {smallest:.1f} times smaller than the unpruned float32 file, n = {n} (wanted: {SMALLER:g}): "
        f"{_met(smallest >= SMALLER)}",
        f"test accuracy, int8 less unpruned: {lost.mean:+.4f}{interval}, n = {n} (wanted: {-LOST:+g}): "
        f"{_met(lost.mean >= -LOST)}",
        f"time of a batch of {BATCH}, int8 / pruned float32: {time}",
        f"bytes of seed {found[0].seed}: {parts}",
    ]


def _met(yes: bool) -> str:
    return "met" if yes else "NOT MET"


if __name__ == "__main__":
    main()
