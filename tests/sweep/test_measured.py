"""Every job says what its pruning bought: sizes, bytes, speed; and leaves a network that really is smaller."""

from __future__ import annotations

import gzip
import time

import pytest
import torch
from tests.conftest import SMALL, TIMED, Outcome, Project
from torch import nn

from prunelab.compose import compose_job
from prunelab.data.dataset import dataset_of
from prunelab.measure import forms as timing
from prunelab.measure.quality import evaluate
from prunelab.network.packed import unpack_kept
from prunelab.network.saved import read_network


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def test_every_job_leaves_its_network_small_as_measured(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    dataset = dataset_of(compose_job(["data=digits"]).data)
    for run in project.runs("job"):
        metrics = run.data.metrics
        content = project.artifact(run, "network.safetensors").read_bytes()
        assert metrics["file/bytes"] == len(content)
        assert metrics["file/gzip_bytes"] == len(gzip.compress(content, 6))
        network, card = read_network(content)
        assert card.classes == dataset.classes
        quality = evaluate(network, dataset.test)
        assert quality.accuracy == metrics["test/accuracy"]
        assert quality.loss == pytest.approx(metrics["test/loss"], rel=1e-5)
        kept = unpack_kept(project.artifact(run, "kept.safetensors").read_bytes())
        assert [int(k.outputs.sum()) for k in kept] == [layer.out_features for layer in linear_layers(network)]
        if run.data.params["method"] == "neuron":
            assert metrics["weights/remaining"] >= sum(layer.weight.numel() for layer in linear_layers(network))
        assert metrics["baseline/file_bytes"] >= metrics["file/dense_bytes"] >= metrics["file/bytes"]


def test_speed_is_measured_dense_against_every_form_of_the_pruned_network(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    for run in project.runs("job"):
        metrics = run.data.metrics
        forms = ["compacted", *(["csr"] if run.data.params["method"] == "weight" else [])]
        assert run.data.tags["speed_runtime"].startswith("onnxruntime ")
        assert "1 thread" in run.data.tags["speed_runtime"]
        assert run.data.tags["speed_load"].startswith("1 thread on ")
        for size in (1, 1024):
            times = {form: metrics[f"latency/{form}_batch_{size}_ms"] for form in forms}
            fastest = min(times, key=times.__getitem__)
            assert run.data.tags[f"fastest/batch_{size}"] == fastest
            assert metrics[f"latency/batch_{size}_ms"] == times[fastest] > 0
            assert metrics[f"latency/dense_batch_{size}_ms"] > 0
            assert metrics[f"speedup/batch_{size}"] > 0
            assert metrics[f"iqr/speedup/batch_{size}"] >= 0
            assert metrics[f"iqr/latency/batch_{size}_ms"] >= 0


def test_a_job_whose_dense_network_disagrees_with_itself_says_that_its_speed_is_not_to_be_trusted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "another_dense", lambda *_: lambda images: time.sleep(0.003))
    outcome = project.prunelab(*TIMED, "method=neuron", "percentage=20", "measure.batch_sizes=[3]")
    assert outcome.status == 0, outcome.output
    (run,) = project.runs("job")
    assert "the unpruned network timed twice differs by" in run.data.tags["speed_unsteady"]


def test_int8_is_measured_where_it_is_asked_for(project: Project) -> None:
    command = (*TIMED, "training.epochs=8", "method=neuron", "percentage=20", "measure.int8=true")
    outcome = project.prunelab(*command, "measure.batch_sizes=[3]", "measure.beside=[eager]")
    assert outcome.status == 0, outcome.output
    (run,) = project.runs("job")
    found = run.data.metrics
    assert abs(found["int8/test_accuracy"] - found["test/accuracy"]) < 0.05
    assert abs(found["int8/baseline_test_accuracy"] - found["baseline/test_accuracy"]) < 0.05
    assert found["int8/file_bytes"] < found["file/onnx_bytes"]
    assert {"int8/latency/batch_3_ms", "int8/speedup/batch_3", "latency/eager_masked_batch_3_ms"} < set(found)
    assert "latency/batch_1_ms" not in found
    assert "processor" in run.data.tags["int8_instructions"]


def test_counts_are_there_in_all_and_per_layer(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    for run in project.runs("job"):
        metrics = run.data.metrics
        layers = [metrics[f"multiply_adds/layer_{number}"] for number in (1, 2, 3, 4)]
        assert sum(layers) == metrics["multiply_adds/remaining"] == metrics["weights/remaining"]
        assert metrics["multiply_adds/total"] == metrics["parameters/total"] == 9024


def test_a_job_records_how_many_images_least_squares_sees_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunelab.pruning.calibration.MEMORY", 4 * 64 * 20)  # 20 images of 64 pixels
    outcome = project.prunelab(*SMALL, "calibration.images=50", "percentage=50", "recovery=least_squares")
    assert outcome.status == 0, outcome.output
    (run,) = project.runs("job")
    assert run.data.metrics["calibration/images_at_once"] == 20


@pytest.mark.slow
def test_beside_other_jobs_speed_is_skipped_and_said_so(project: Project) -> None:
    outcome = project.prunelab(
        *("-m", *TIMED, "method=neuron", "percentage=0,50", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    )
    assert outcome.status == 0, outcome.output
    for run in project.runs("job"):
        assert not any(name.startswith(("latency/", "speedup/")) for name in run.data.metrics)
        assert "same time" in run.data.tags["speed_not_measured"]
        assert run.data.metrics["file/bytes"] > 0
    assert "speed of some jobs was not measured" in " ".join(outcome.output.split())


@pytest.mark.slow
def test_measuring_can_be_switched_off_or_made_thorough(project: Project) -> None:
    for choice in ("off", "full"):
        outcome = project.prunelab(*TIMED, "method=weight", "percentage=50", f"measure={choice}")
        assert outcome.status == 0, outcome.output
    off, full = project.runs("job")
    assert not any(name.startswith(("latency/", "speedup/", "file/")) for name in off.data.metrics)
    assert not project.artifact(off, "network.safetensors").exists()
    assert {name for name in full.data.metrics if name.startswith("speedup/")} == {
        f"speedup/batch_{size}" for size in (1, 8, 64, 256, 1024, 4096)
    }
    assert off.data.tags["config_hash"] == full.data.tags["config_hash"], "measuring changes no result"


def test_a_weight_pruned_network_without_a_path_is_a_constant(project: Project) -> None:
    project.prunelab(*TIMED, "method=weight", "percentage=100", "model.bias=true")
    (run,) = project.runs("job")
    network, _ = read_network(project.artifact(run, "network.safetensors").read_bytes())
    assert sum(layer.weight.numel() for layer in linear_layers(network)) == 0
    assert torch.equal(network(torch.rand(1, 1, 8, 8)), network(torch.rand(1, 1, 8, 8)))
