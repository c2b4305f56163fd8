"""One job that belongs to no sweep."""

from __future__ import annotations

from rich.console import Console

from prunelab.config import Job
from prunelab.errors import ConfigError
from prunelab.job import check, run


def run_single(job: Job, overrides: list[str]) -> None:
    """Check the job, run it, and say how it came out.

    Raises:
        PrunelabError: for whatever a person can mend.
    """
    if job.resume is not None:
        raise ConfigError(
            f"resume={job.resume} is refused: a single job has nothing to resume; it goes with a sweep (-m)"
        )
    check(job)
    result = run(job, overrides)
    Console().print(
        f"{result.name}: test accuracy {result.test.accuracy:.4f}, loss {result.test.loss:.4f}  (run {result.run_id})",
        highlight=False,
        soft_wrap=True,
    )
