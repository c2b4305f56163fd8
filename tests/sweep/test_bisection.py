"""The verdict of a bisection, on results that are made up; nothing is run."""

from __future__ import annotations

import pytest

from prunelab.config import Until
from prunelab.errors import ConfigError
from prunelab.job import Result
from prunelab.measure.quality import Quality
from prunelab.sweep.bisection import bisect

NONE = {
    **{"max_accuracy_drop": None, "min_speedup": None, "max_parameters": None, "max_ms": None, "max_bytes": None},
    "resolution": 1.0,
}


class World:
    """Accuracy falls by a thousandth for each percentage point, parameters and multiply-adds by a hundredth of all."""

    def __init__(self, timed: bool = True, steady: bool = True, kept: bool = True) -> None:
        self.probed: list[float] = []
        self.timed, self.steady, self.kept = timed, steady, kept

    def __call__(self, percentage: float) -> Result:
        self.probed.append(percentage)
        left = 1000 - 10 * percentage
        quality = Quality(0.9 - percentage / 1000, 0.3)
        return Result(
            *("id", "job", quality, quality, 0.9, int(left), 1000 / max(left, 1)),
            milliseconds=left / 100 if self.timed else None,
            steady=self.steady,
            file_bytes=int(40 * left) if self.kept else None,
        )


@pytest.mark.parametrize(
    ("conditions", "percentage", "words"),
    [
        ({"max_accuracy_drop": 0.0335}, 33, "33% is the largest percentage"),
        ({"max_accuracy_drop": 0.0}, 0, "at 1% the drop would be 0.0010"),
        ({"max_accuracy_drop": 1.0}, 100, "there is nothing more to remove"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 1.25}, 33, "theoretical speedup (MACs) 1.493"),
        ({"max_accuracy_drop": 0.0335, "max_parameters": 700}, 33, "number of parameters 670"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 4.0}, None, "holds up to 33%"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 4.0}, None, "from 75% on"),
        ({"min_speedup": 4.0}, 75, "satisfies a theoretical speedup (MACs) of at least 4"),
        ({"max_ms": 2.5}, 75, "satisfies a measured time in ms of at most 2.5 (measured time in ms 2.5)"),
        ({"max_bytes": 20000}, 50, "satisfies a file size in bytes of at most 20,000"),
        ({"max_accuracy_drop": 0.0335, "max_ms": 8.0}, 33, "measured time in ms 6.7"),
        ({"max_accuracy_drop": 0.0335, "max_bytes": 8000}, None, "from 80% on"),
        ({"max_parameters": 100, "min_speedup": 4.0}, 90, "smallest percentage"),
        ({"min_speedup": 5000.0}, None, "not even 100%"),
        ({"max_accuracy_drop": 0.012, "resolution": 5.0}, 10, "at 15% the drop would be 0.0150"),
    ],
)
def test_the_verdict_is_the_largest_percentage_that_satisfies_the_conditions(
    conditions: dict[str, float], percentage: float | None, words: str
) -> None:
    world = World()
    verdict = bisect(Until.model_validate(NONE | conditions), world)
    assert verdict.percentage == percentage
    assert words in verdict.words
    assert len(world.probed) == len(set(world.probed)) <= 18


@pytest.mark.parametrize(
    ("world", "condition", "words"),
    [
        (World(steady=False), {"max_ms": 2.5}, "scatters by more than a fifth"),
        (World(timed=False), {"max_ms": 2.5}, "was not measured"),
        (World(kept=False), {"max_bytes": 100}, "kept no network"),
    ],
)
def test_nothing_is_decided_by_a_number_that_is_unsteady_or_missing(
    world: World, condition: dict[str, float], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        bisect(Until.model_validate(NONE | condition), world)
