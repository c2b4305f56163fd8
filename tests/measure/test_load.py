"""What a time is told with: how busy others kept the machine meanwhile, and with how many threads of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest
import torch

from prunelab.measure import load as loading
from prunelab.measure.load import Load, watching

BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def test_what_others_and_ones_own_threads_want_beyond_the_cores_is_missing() -> None:
    assert Load(others=1.9, own=2, cores=2, average=8.8).short == pytest.approx(1.9)
    assert Load(others=0.9, own=1, cores=2, average=1.9).short == 0
    assert str(Load(1.94, 2, 2, 8.76)) == "2 threads on 2 cores, of which others kept 1.9 busy; load average 8.8"
    assert str(Load(0.0, 1, 1, 0.04)) == "1 thread on 1 core, of which others kept 0.0 busy; load average 0.0"


def test_ones_own_work_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = {"monotonic": 10.0, "process_time": 3.0, "busy": 100.0}
    monkeypatch.setattr(loading.time, "monotonic", lambda: ticking["monotonic"])
    monkeypatch.setattr(loading.time, "process_time", lambda: ticking["process_time"])
    monkeypatch.setattr(loading, "_busy", lambda: ticking["busy"])
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (3.4, 0.0, 0.0))
    load = watching()
    ticking.update(monotonic=11.0, process_time=4.0, busy=101.52)
    assert load() == Load(pytest.approx(0.5), torch.get_num_threads(), 2, 3.4)  # type: ignore[arg-type]
    ticking.update(process_time=4.9, busy=101.52)
    assert load().others == 0, "an account that is behind"
    ticking.update(monotonic=10.001, process_time=3.0, busy=100.02)
    assert load().others == 0, "within the account's ticks"


@pytest.mark.skipif(not hasattr(os, "nice"), reason="no priorities here")
def test_another_process_at_work_is_seen() -> None:
    load = watching()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as other:
        try:
            time.sleep(1.0)
            found = load()
        finally:
            other.kill()
    assert found.others > 0.2
