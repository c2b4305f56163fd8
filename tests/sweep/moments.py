"""Moments of a sweep that runs in another process, by how many of its jobs are finished."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from contextlib import closing

from tests.conftest import Project

Process = multiprocessing.process.BaseProcess


def finished(project: Project) -> int:
    """From the database itself: it is asked twenty times a second, and MLflow would take the cores from the sweep."""
    with closing(sqlite3.connect(f"{project.database.as_uri()}?mode=ro", uri=True)) as connection:
        count = connection.execute(
            "select count(*) from runs join tags using (run_uuid)"
            " where tags.key = 'kind' and tags.value = 'job' and runs.status = 'FINISHED'"
        ).fetchone()
    return int(count[0])


def at_some_job(process: Process, project: Project, number: int) -> bool:
    """Wait until so many jobs are finished; whether the sweep still runs then."""
    while process.is_alive() and finished(project) < number:
        time.sleep(0.05)
    return process.is_alive()
