"""What cannot be measured on this machine is refused before any work."""

from __future__ import annotations

import pytest
import torch

from prunelab.choices import RuntimeName
from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.measure import forms as timing
from prunelab.runtime import compiled, onnx

CPU = torch.device("cpu")


def test_what_this_machine_cannot_measure_is_refused_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(override: str, device: str = "cpu") -> str:
        with pytest.raises(ConfigError) as caught:
            timing.check(compose_job([override]).measure, torch.device(device))
        return str(caught.value)

    assert "a CPU only" in refused("measure.runtime=onnxruntime", "cuda")
    assert "measure.beside=auto is refused" in refused("measure.beside=[auto]")
    monkeypatch.setattr(onnx, "PACKAGES", ("no_such_runtime",))
    assert "pip install -e '.[onnx]'" in refused("measure.int8=true")
    assert "measure.runtime=onnxruntime is refused" in refused("measure.runtime=onnxruntime")
    assert timing.reported_runtime(RuntimeName.AUTO, CPU) is RuntimeName.EAGER
    monkeypatch.setattr(compiled, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CXX", raising=False)
    assert "needs a C++ compiler" in refused("measure.beside=[compile]")
    monkeypatch.setenv("CXX", "a-compiler")
    monkeypatch.setattr(compiled, "_failure", lambda: "torch.compile does not work here: no Python.h")
    assert "measure.runtime=compile is refused: torch.compile does not work here" in refused("measure.runtime=compile")
    monkeypatch.setattr(compiled, "_failure", lambda: None)
    many = compose_job(["measure.runtime=compile", "measure.batch_sizes=[1,2,3,4,5,6,7,8,9]"]).measure
    with pytest.raises(ConfigError, match="accepts up to 8"):
        timing.check(many, CPU)
