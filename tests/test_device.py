"""A GPU gives what the processor gives, to rounding; without one, asking for it is refused."""

from __future__ import annotations

import pytest
import torch
import torchvision

import prunelab
from prunelab.compose import compose_job
from prunelab.device import has_bf16
from tests.conftest import SMALL, TIMED, Project

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_refused_before_any_work(project: Project) -> None:
    before = project.database.read_bytes()
    outcome = project.prunelab("-m", *SMALL, "trainer=gpu", "percentage=0,50")
    assert outcome.status == 1
    assert "trainer.accelerator=gpu is refused: torch sees no CUDA device" in outcome.output
    assert project.database.read_bytes() == before


@needs_cuda
def test_a_sweep_on_a_gpu_comes_out_as_on_the_processor(project: Project) -> None:
    command = ("-m", *TIMED, "method=weight,neuron_activation", "percentage=0,50", "recovery=none,least_squares")
    for trainer in ("cpu", "gpu"):
        outcome = project.prunelab(*command, f"trainer={trainer}", f"tracking.experiment_name={trainer}")
        assert outcome.status == 0, outcome.output
    runs = project.runs("job")
    half = len(runs) // 2
    for on_cpu, on_gpu in zip(runs[:half], runs[half:], strict=True):
        assert on_gpu.data.metrics["test/loss"] == pytest.approx(on_cpu.data.metrics["test/loss"], rel=0.02)
        assert on_gpu.data.metrics["latency/batch_1_ms"] > 0


@needs_cuda
def test_every_recovery_runs_on_a_gpu(project: Project) -> None:
    recoveries = "none,least_squares,finetune,least_squares_finetune,iterative,rewind"
    outcome = project.prunelab(
        *("-m", *SMALL, "trainer=gpu", "method=weight_obs,neuron_taylor", "percentage=50", f"recovery={recoveries}")
    )
    assert outcome.status == 0, outcome.output


@needs_cuda
def test_the_library_removes_the_same_units_on_a_gpu_as_on_the_processor() -> None:
    torch.manual_seed(0)
    network, images = torchvision.models.resnet18(), torch.rand(16, 3, 64, 64)
    on_cpu, on_gpu = (
        prunelab.prune(network.to(device), images.to(device), "neuron_activation", 50, recovery="batch_norm")
        for device in ("cpu", "cuda")
    )
    assert (on_cpu.after, on_cpu.whole) == (on_gpu.after, on_gpu.whole)
    assert next(on_gpu.network.parameters()).is_cuda


def test_auto_precision_is_decided_before_the_job_is_identified_and_recorded(project: Project) -> None:
    expected = "bf16" if has_bf16(compose_job([]).trainer) else "float32"
    job = compose_job(["training.precision=auto"])
    assert job.training.precision == expected
    assert job.training == compose_job([f"training.precision={expected}"]).training
    outcome = project.prunelab(*SMALL, "training.precision=auto", "percentage=0")
    assert outcome.status == 0, outcome.output
    for kind in ("job", "baseline"):
        (run,) = project.runs(kind)
        assert run.data.params["precision"] == expected
