"""What a time is told with: how busy the machine was, and with how many threads of one's own."""

from __future__ import annotations

import psutil
import pytest
import torch

from prunelab.measure.load import Load, load


def test_the_load_of_the_last_minute_stands_beside_the_threads_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (3.456, 9.0, 9.0))
    found = load()
    assert found == Load(3.456, torch.get_num_threads(), psutil.cpu_count() or 1)
    assert str(Load(3.456, 2, 4)) == "load average 3.5 on 4 cores, 2 threads of its own"
    assert str(Load(0.04, 1, 1)) == "load average 0.0 on 1 core, 1 thread of its own"
