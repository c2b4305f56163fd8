"""The picture of the break-even table: how many times as fast as dense each sparse form is, by percentage removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from benchmarks.breakeven_case import Case
from prunelab.report.looks import MARKERS, PALETTE

PICTURE = "breakeven.svg"


def draw(cases: Sequence[Case], forms: Sequence[str], file: Path) -> None:
    """A panel for each batch size. Lines are medians over shapes, bands go from the slowest shape to the fastest."""
    batches = sorted({case.batch for case in cases})
    figure = Figure(figsize=(4 * len(batches), 4), layout="constrained")
    axes = figure.subplots(1, len(batches), sharey=True, squeeze=False)[0]
    for axis, batch in zip(axes, batches, strict=True):
        own = [case for case in cases if case.batch == batch]
        removed = sorted({case.removed for case in own})
        places = range(len(removed))
        axis.axhline(1, color="black", linestyle="--", linewidth=1, label="dense")
        for number, form in enumerate(forms):
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
