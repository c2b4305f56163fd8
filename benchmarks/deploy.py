"""What the smallest deployable file costs: the published report's network with 80% of its neurons removed, in int8.

    python -m benchmarks.deploy [--seeds N] [KEY=VALUE ...]

Runs `experiment=deploy percentage=80` for seeds 0 to N - 1 (default 3), exports each network in int8, and prints: bytes
of the unpruned float32 file over those of the int8 file; int8 accuracy less unpruned accuracy, with the 95% interval of
its mean over seeds; the time of a batch of 1024 in int8 over that of the pruned float32 file; where the bytes are.
Networks are trained in, or taken from, the benchmarks' own store, or the one that `tracking.uri=` names. On 2 cores
estimated at two minutes a seed, of which training is all but 20 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.onnx_parts import Parts, parts_of
from benchmarks.subject import composed
from benchmarks.table import table
from prunelab import names
from prunelab.compose import split_arguments
from prunelab.config import Job
from prunelab.deploy.deployable import Wanted, export
from prunelab.errors import PrunelabError
from prunelab.job import check, run
from prunelab.report.chance import estimate
from prunelab.tracking.opening import open_store

DEPLOYED = ("experiment=deploy", "percentage=80")
SMALLER, LOST = 35.0, 0.015
"""Targets: times smaller than the unpruned file, and the accuracy that may be lost."""
BATCH = 1024
HEADINGS = ("seed", "bytes", "smaller", "accuracy", "unpruned", "batch 1024: int8", "float32", "unsteady")


@dataclass(frozen=True, slots=True)
class Seed:
    """One network: bytes of the unpruned float32 file, the parts of the int8 file, accuracies on test images.

    Times are milliseconds of a batch of `BATCH`; `unsteady`: why they cannot be relied on.
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
    """Run the jobs, and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deploy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds} is refused: it accepts a whole number from 1")
    try:
        found = [measured(composed(*DEPLOYED, f"seed={seed}", *overrides)) for seed in range(arguments.seeds)]
    except PrunelabError as error:
        sys.exit(f"benchmarks.deploy: {error}")
    print("80% of neurons removed, in int8\n")
    print(table(HEADINGS, map(_row, found)))
    print("\n" + "\n".join(summary(found)))


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
    """What the tag says of batches of `BATCH`."""
    return next((part for part in tag.split(", ") if part.startswith(f"batch {BATCH}: ")), "")


def _row(found: Seed) -> list[str]:
    accuracies = [f"{value:.4f}" for value in (found.int8_accuracy, found.dense_accuracy)]
    times = [f"{value:.3f} ms" for value in (found.int8_ms, found.float32_ms)]
    return [str(found.seed), f"{found.int8.total:,}", f"{found.smaller:.1f}x", *accuracies, *times, found.unsteady]


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
