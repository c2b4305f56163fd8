"""What a job's accuracy is of."""

from __future__ import annotations

import pytest
from tests.conftest import SMALL, Project
from torch import nn

from prunelab import job, names
from prunelab.data.dataset import Split
from prunelab.measure.quality import Quality, evaluate


def test_a_job_evaluates_the_network_that_it_keeps(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def looking(network: nn.Module, split: Split) -> Quality:
        seen.append(sum(parameter.numel() for parameter in network.parameters()))
        return evaluate(network, split)

    monkeypatch.setattr(job, "evaluate", looking)
    assert project.prunelab(*SMALL, "method=neuron_layer", "percentage=80").status == 0
    (run,) = project.runs("job")
    assert seen == [run.data.metrics[names.PARAMETERS_REMAINING]] * 2
    assert seen[0] < run.data.metrics[names.PARAMETERS_TOTAL] / 2
