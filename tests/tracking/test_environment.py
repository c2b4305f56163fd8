"""The process that owns a run is recognised later, and what a result was obtained with is recorded."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import psutil

from prunelab.tracking.environment import is_gone, process, provenance, versions


def test_this_process_is_there_and_one_that_ended_or_was_replaced_is_gone() -> None:
    own = process()
    assert not is_gone(own)
    assert is_gone({**own, "process.started": "1.00"})  # another process has its number now
    assert is_gone({**own, "process.pid": "999999999"})
    assert is_gone({"process.host": socket.gethostname()})
    assert not is_gone({**own, "process.host": "another machine", "process.pid": "999999999"})


def test_a_process_that_nobody_waits_for_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    tags = {
        "process.host": socket.gethostname(),
        "process.pid": str(child.pid),
        "process.started": str(psutil.Process(child.pid).create_time()),
    }
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_gone(tags)
    child.wait()


def test_provenance_has_the_config_as_it_is_and_versions_and_machine_as_json() -> None:
    found = provenance("a: 1\n")
    assert found["config.yaml"] == "a: 1\n"
    environment = json.loads(found["environment.json"])
    assert environment["versions"] == versions()
    assert {"python", "torch", "mlflow"} <= set(environment["versions"])
    assert {"processor", "cores", "memory_gib", "torch_threads"} <= set(environment["machine"])
