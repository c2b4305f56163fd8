"""What the finished jobs of a sweep that decides as it goes came to, so that none is run twice.

Such a sweep is resumed by deciding again from the beginning: the same decisions lead to the same jobs, and those that
finished are read from the store by their config hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prunelab import names
from prunelab.config import Job
from prunelab.errors import StoreError
from prunelab.identity import config_hash
from prunelab.job import Result
from prunelab.measure.quality import Quality
from prunelab.tracking.run import Run


class Known:
    """Results by what determines them: those of `runs`, and those that are added.

    `compose` gives the job of a combination of overrides, `threads` what the launcher gives each job.
    """

    def __init__(
        self, runs: Iterable[Run], compose: Callable[[Sequence[str]], Job], threads: int | None = None
    ) -> None:
        self._compose, self._threads = compose, threads
        self._results = {run.tags[names.CONFIG_HASH]: result_of(run) for run in runs}

    def find(self, overrides: Sequence[str]) -> Result | None:
        """The result of this job; None if it has not finished yet."""
        return self._results.get(self._hash(overrides))

    def add(self, overrides: Sequence[str], result: Result) -> None:
        """From now on it is known."""
        self._results[self._hash(overrides)] = result

    def _hash(self, overrides: Sequence[str]) -> str:
        return config_hash(self._compose(overrides), self._threads)


def result_of(run: Run) -> Result:
    """What a finished job returned when it ran.

    Raises:
        StoreError: if the run lacks a metric.
    """
    metrics, tags = run.metrics, run.tags
    sizes = [int(name.removeprefix(_BEFORE).removesuffix(_AFTER)) for name in metrics if _is_reported(name)]
    smallest = min(sizes, default=None)
    unsteady = [words.partition(":")[0] for words in tags.get(names.SPEED_UNSTEADY, "").split(", ")]
    try:
        return Result(
            run_id=run.id,
            name=run.name,
            test=Quality(metrics[names.TEST_ACCURACY], metrics[names.TEST_LOSS]),
            validation=Quality(metrics[names.VAL_ACCURACY], metrics[names.VAL_LOSS]),
            baseline_validation=metrics[names.BASELINE_VAL_ACCURACY],
            parameters=int(metrics[names.PARAMETERS_REMAINING]),
            speedup=metrics[names.THEORETICAL_SPEEDUP],
            milliseconds=None if smallest is None else metrics[names.latency(smallest)],
            steady=f"batch {smallest}" not in unsteady,
            file_bytes=int(metrics[names.FILE_BYTES]) if names.FILE_BYTES in metrics else None,
        )
    except KeyError as error:
        raise StoreError(f"{run} is FINISHED without {error}") from error


_BEFORE, _AFTER = f"{names.LATENCY}batch_", "_ms"


def _is_reported(name: str) -> bool:
    """Whether a metric is the time of the fastest form: `latency/batch_1_ms`, not `latency/csr_batch_1_ms`."""
    return name.startswith(_BEFORE) and name.removeprefix(_BEFORE).removesuffix(_AFTER).isdigit()
