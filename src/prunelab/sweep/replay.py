"""Results of jobs that finished earlier, read back from the store, so that no job is run twice.

An adaptive sweep is resumed by deciding again from the beginning: the same decisions ask for the same jobs.
"""

from __future__ import annotations

import re

from prunelab import names
from prunelab.errors import StoreError
from prunelab.job import Result
from prunelab.measure.quality import Quality
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

_REPORTED = re.compile(rf"{names.LATENCY}batch_(\d+)_ms")
"""The time of the fastest form: `latency/batch_1_ms`, not `latency/csr_batch_1_ms`."""


def results_of(store: Store, sweep_id: str) -> dict[str, Result]:
    """The results of the finished jobs of a sweep, by config hash.

    Raises:
        StoreError: if one lacks a metric.
    """
    return {run.tags[names.CONFIG_HASH]: result_of(run) for run in store.children(sweep_id, "FINISHED")}


def result_of(run: Run) -> Result:
    """What a finished job returned when it ran.

    Raises:
        StoreError: if the run lacks a metric.
    """
    metrics, tags = run.metrics, run.tags
    sizes = [int(found.group(1)) for found in map(_REPORTED.fullmatch, metrics) if found]
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
            theoretical_speedup=metrics[names.THEORETICAL_SPEEDUP],
            milliseconds=None if smallest is None else metrics[names.latency(smallest)],
            steady=f"batch {smallest}" not in unsteady,
            file_bytes=int(metrics[names.FILE_BYTES]) if names.FILE_BYTES in metrics else None,
        )
    except KeyError as error:
        raise StoreError(f"{run} is FINISHED without {error}") from error
