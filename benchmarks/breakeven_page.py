"""The page of `make breakeven`: the sparsity above which each sparse form wins, every case, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from benchmarks.table import table
from prunelab.measure.forms import threads_in_words
from prunelab.measure.latency import DENSE, STEADY, Latency
from prunelab.report.looks import MARKERS, PALETTE
from prunelab.runtime import onnx
from prunelab.tracking.environment import machine, versions

ONNX = "dense, onnxruntime"
CSR, PIECES, SCIPY, BSR = "CSR, torch", "CSR, torch, in pieces", "CSR, scipy", "BSR, torch"
SPARSE = (CSR, PIECES, SCIPY, BSR)
BLOCK = 8
"""Rows and columns of a block of the block-sparse form (BSR)."""
PIECE = 64
"""Images at once in `PIECES`: few enough for their columns to stay in the cache."""
PICTURE = "breakeven.svg"


@dataclass(frozen=True, slots=True)
class Case:
    """One shape (out, in), batch size and percentage removed, timed in every form."""

    shape: tuple[int, int]
    batch: int
    removed: float
    times: Latency

    @property
    def dense(self) -> str:
        """The faster of the dense forms."""
        return self.times.fastest([form for form in (DENSE, ONNX) if form in self.times.turns])

    def gain(self, form: str) -> float | None:
        """Times as fast as the faster dense form; None if the times scatter too much to say."""
        speedup = self.times.speedup(form, over=self.dense)
        return speedup.median if self.times.quiet and speedup.relative <= STEADY else None

    def __str__(self) -> str:
        gains = {form: self.gain(form) for form in SPARSE}
        said = [f"{form} {'unsteady' if gain is None else f'{gain:.2f}x'}" for form, gain in gains.items()]
        return f"{self.shape[0]} x {self.shape[1]}, batch {self.batch}, {self.removed:g}%: {', '.join(said)}"


def page(cases: Sequence[Case]) -> str:
    """The whole page, in Markdown."""
    known, runtime = machine(), f", {onnx.version()}" if onnx.lacking() is None else ""
    begins = [
        [f"{shape[0]} x {shape[1]}", str(batch), *(_percent(breakeven(own, form)) for form in SPARSE)]
        for shape, batch in dict.fromkeys((case.shape, case.batch) for case in cases)
        for own in [[case for case in cases if (case.shape, case.batch) == (shape, batch)]]
    ]
    names = [DENSE, ONNX, *SPARSE]
    every = [
        [f"{case.shape[0]} x {case.shape[1]}", str(case.batch), f"{case.removed:g}%", *(_cell(case, n) for n in names)]
        for case in cases
    ]
    return f"""# Where sparse matrices pay off

For those who want to run a pruned layer as a sparse matrix: where that is faster than the dense product.

`make breakeven` makes this page: {known["processor"]}, {threads_in_words()}, torch {versions()["torch"]}{runtime}.
A sparse product is compared with the faster of the two dense ones (torch, ONNX Runtime): medians of ratios, all forms
timed in turns. Weights are removed at random, for BSR in blocks of {BLOCK} x {BLOCK}. "CSR, torch" is what jobs time as
`csr`; "in pieces" takes {PIECE} images at a time, so that their columns stay in the processor's cache. The times
include turning images into columns. n:m sparsity (granularity n_m) is missing: torch has no CPU kernel for it, so
prunelab reports accuracy only.

![times as fast as dense, by percentage removed]({PICTURE})

The smallest percentage tried from which a form is faster than dense (–: none):

{table(["out x in", "batch", *SPARSE], begins)}

Milliseconds of a batch, and how many times as fast as the faster dense form:

{table(["out x in", "batch", "removed", *names], every)}
"""


def breakeven(cases: Sequence[Case], form: str) -> float | None:
    """The smallest percentage at which, and above which, `form` is faster; unsteady cases are skipped."""
    begin = None
    for case in sorted(cases, key=lambda case: -case.removed):
        gain = case.gain(form)
        if gain is None:
            continue
        if gain <= 1:
            break
        begin = case.removed
    return begin


def _percent(begin: float | None) -> str:
    return "–" if begin is None else f"{begin:g}%"


def _cell(case: Case, form: str) -> str:
    if form not in case.times.turns:
        return ""
    time = case.times.milliseconds(form)
    if not case.times.quiet or time.relative > STEADY:
        return "unsteady"
    gain = case.gain(form) if form in SPARSE else None
    return f"{time.median:.4g}" + ("" if gain is None else f" ({gain:.2f}x)")


def draw(cases: Sequence[Case], file: Path) -> None:
    """A panel for each batch size. Lines are medians over shapes, bands go from the slowest shape to the fastest."""
    batches = sorted({case.batch for case in cases})
    figure = Figure(figsize=(4 * len(batches), 4), layout="constrained")
    axes = figure.subplots(1, len(batches), sharey=True, squeeze=False)[0]
    for axis, batch in zip(axes, batches, strict=True):
        own = [case for case in cases if case.batch == batch]
        removed = sorted({case.removed for case in own})
        places = range(len(removed))
        axis.axhline(1, color="black", linestyle="--", linewidth=1, label="dense")
        for number, form in enumerate(SPARSE):
            found = [_gains(own, share, form) for share in removed]
            known = [(place, gains) for place, gains in zip(places, found, strict=True) if gains]
            style = {"color": PALETTE[number], "marker": MARKERS[number]}
            axis.plot([place for place, _ in known], [median(gains) for _, gains in known], label=form, **style)
            low, high = ([limit(gains) for _, gains in known] for limit in (min, max))
            axis.fill_between([place for place, _ in known], low, high, color=PALETTE[number], alpha=0.12, linewidth=0)
        axis.set_xticks(list(places), [f"{share:g}" for share in removed])
        axis.set_yscale("log", base=2)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        axis.set_title(f"batch {batch}")
        axis.set_xlabel("weights removed, %")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("times as fast as the faster dense product")
    axes[0].legend(frameon=False, fontsize="small")
    figure.savefig(file, metadata={"Date": None})


def _gains(cases: Sequence[Case], removed: float, form: str) -> list[float]:
    """Of all shapes at a percentage, without those that are too unsteady to say."""
    gains = [case.gain(form) for case in cases if case.removed == removed]
    return [gain for gain in gains if gain is not None]
