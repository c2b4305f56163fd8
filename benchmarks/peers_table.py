"""The page of `make peers`: a table for each network and percentage, means over seeds with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.table import table
from prunelab.report.chance import estimate
from prunelab.runtime.onnx import version as onnx_version
from prunelab.tracking.environment import machine, versions

DENSE_ROW = "unpruned"
OURS, THEIRS = "prunelab", "Torch-Pruning"


@dataclass(frozen=True, slots=True)
class Entry:
    """One network of one seed. `removed`: percent of multiply-adds asked for; `macs`: the share that is left.

    Accuracies are fractions; `speedup` is over the unpruned network, None if that was too unsteady to say; pruning took
    `seconds`.
    """

    model: str
    data: str
    seed: int
    removed: float
    name: str
    macs: float
    test: float
    validation: float
    speedup: float | None
    seconds: float


def page(entries: Sequence[Entry], batch: int, steps: int, theirs: str, asked: str = "") -> str:
    """The whole page, in Markdown. `theirs`: the version of Torch-Pruning; `asked`: the arguments of the command."""
    command = f"make peers ARGUMENTS='{asked}'" if asked else "make peers"
    known, of = machine(), versions()
    lines = [
        "# Comparison with Torch-Pruning",
        "",
        "For people who choose between the two: both on the same trained networks, brought to the same number of",
        "multiply-adds (MACs), without retraining.",
        "",
        f"`{command}` makes this page: {known['processor']}, {known['cores']} cores; torch {of['torch']}, {THEIRS}",
        f"{theirs}, {onnx_version()}. Accuracies are means over seeds, ± half the 95% interval of the mean. Speed is",
        f"that of a batch of {batch} in ONNX Runtime against the unpruned network, all networks of a seed in turns;",
        "time is that of pruning once. Both are medians over seeds. With AVX-512, ONNX Runtime computes channels in",
        "blocks of 16: with 9 or 13 of 16 channels, a convolution takes as long as with 16. What removing half of the",
        "channels of every layer gains: [results](results.md).",
        "",
        f"- prunelab: the criterion, global, in {steps} steps with least squares after each; no gradients, no labels.",
        f"- {THEIRS}: `BasePruner`, one step, its defaults; the largest pruning ratio that leaves no fewer MACs than",
        "  prunelab does. Taylor and Hessian use gradients of the loss on the same calibration images (Hessian on the",
        "  first 512).",
        "- In both, BatchNorm's statistics are re-estimated on the calibration images, by the same function.",
        f"- *best of {THEIRS}* is the row with the highest validation accuracy, chosen for each seed.",
        "",
    ]
    for model, data in dict.fromkeys((entry.model, entry.data) for entry in entries):
        for removed in dict.fromkeys(entry.removed for entry in entries if entry.model == model):
            own = [entry for entry in entries if (entry.model, entry.removed) == (model, removed)]
            seeds = len({entry.seed for entry in own})
            lines += [f"## {model} on {data}, {removed:g}% of MACs removed (n = {seeds})", "", _table(own), ""]
    return "\n".join(lines)


def _table(entries: Sequence[Entry]) -> str:
    rows = {name: [entry for entry in entries if entry.name == name] for name in dict.fromkeys(e.name for e in entries)}
    pruned = [name for name in rows if name != DENSE_ROW]
    pruned.sort(key=lambda name: -_mean(rows[name], lambda entry: entry.validation))
    best = best_of(THEIRS, entries)
    first = {DENSE_ROW: rows[DENSE_ROW]} if DENSE_ROW in rows else {}
    named = {**first, **({f"*best of {THEIRS}*": best} if best else {}), **{name: rows[name] for name in pruned}}
    headings = ["", "MACs left", "test accuracy", "validation", "speed", "time, s"]
    return table(headings, [_row(name, own) for name, own in named.items()])


def best_of(who: str, entries: Sequence[Entry]) -> list[Entry]:
    """For each seed the entry of theirs with most validation accuracy; the first of equals."""
    found: dict[int, Entry] = {}
    for entry in entries:
        if entry.name.startswith(who):
            known = found.get(entry.seed)
            if known is None or entry.validation > known.validation:
                found[entry.seed] = entry
    return list(found.values())


def _row(name: str, own: Sequence[Entry]) -> list[str]:
    accuracies = [_interval([value(entry) for entry in own]) for value in (lambda e: e.test, lambda e: e.validation)]
    speeds = [entry.speedup for entry in own if entry.speedup is not None]
    dense = name == DENSE_ROW
    speed = "1" if dense else f"{median(speeds):.2f}x" if speeds else "unsteady"
    seconds = "" if dense else f"{median(entry.seconds for entry in own):.2g}"
    macs = f"{100 * _mean(own, lambda entry: entry.macs):.1f}%"
    return [name, macs, *accuracies, speed, seconds]


def _interval(values: Sequence[float]) -> str:
    found = estimate(values)
    if found.n == 1:
        return f"{found.mean:.4f}"
    return f"{found.mean:.4f} ± {(found.high - found.low) / 2:.4f}".replace(" ", "\N{NO-BREAK SPACE}")


def _mean(entries: Sequence[Entry], value: Callable[[Entry], float]) -> float:
    return sum(map(value, entries)) / len(entries)
