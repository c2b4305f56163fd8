"""A further job of a sweep, its evaluation alone, and what its measuring adds."""

from __future__ import annotations

from benchmarks import bare, subject
from benchmarks.ratio import Ratio, compare
from prunelab.job import run


def measure() -> list[Ratio]:
    """With data, network and store in memory."""
    dataset, dense = subject.dataset(), subject.trained()
    splits = [(split.images, split.labels) for split in (dataset.test, dataset.validation)]

    def evaluation() -> None:
        for split in splits:
            bare.evaluate(dense.network, split)

    def job(*overrides: str) -> object:
        return run(subject.job("method=neuron", "percentage=20", *overrides), [])

    job("measure=off")
    return [
        compare(
            "a further evaluate-only job (measure=off) / its bare evaluation",
            lambda: job("measure=off"),
            evaluation,
            target=2.0,
            repeats=7,
        ),
        compare(
            "a further job that measures size and speed / its bare evaluation", job, evaluation, target=None, repeats=5
        ),
    ]
