"""An exported file computes what the network computes, and nothing half-done is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab.cli.export import main
from prunelab.cli.predict import main as predict
from prunelab.compose import compose_job
from prunelab.data.dataset import dataset_of
from prunelab.deploy import deployable
from prunelab.network.saved import read_network
from prunelab.runtime import onnx

STORE = ("data=digits",)


def export(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-export", main, project.folder, *arguments, *STORE)


@pytest.mark.parametrize("name", ["weight-50", "neuron-50", "neuron-99"])
def test_an_onnx_file_has_the_accuracy_of_the_run_in_onnx_runtime(
    name: str, swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="pip install -e '.[onnx]'")
    project, _ = swept
    path = tmp_path / "out.onnx"
    outcome = export(project, name, f"--output={path}")
    assert outcome.status == 0, outcome.output
    test = dataset_of(compose_job(STORE).data).test
    session = runtime.InferenceSession(path)
    (logits,) = session.run(["logits"], {"images": test.images.numpy()})
    run = next(run for run in project.runs("job") if run.info.run_name == name)
    assert float((logits.argmax(1) == test.labels.numpy()).mean()) == run.data.metrics["test/accuracy"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"])[3] == "3"
    assert f"{path.stat().st_size:,} bytes" in outcome.output
    assert f"test accuracy {run.data.metrics['test/accuracy']:.4f} on 360 images" in outcome.output
    assert "for a batch of 1,024; onnxruntime" in outcome.output
    about = session.get_modelmeta().custom_metadata_map
    assert float(about["test_accuracy"]) == pytest.approx(run.data.metrics["test/accuracy"], abs=1e-6)
    assert (about["opset"], about["shape"]) == ("20", "[1, 8, 8]")
    assert int(about["multiply_adds"]) == run.data.metrics["multiply_adds/remaining"]
    provenance = json.loads(about["provenance"])
    assert (provenance["run_id"], provenance["data"], provenance["job"]) == (run.info.run_id, "digits", name)


def test_a_safetensors_file_is_the_network_and_says_what_it_is(swept: tuple[Project, Outcome], tmp_path: Path) -> None:
    project, _ = swept
    outcome = export(project, "neuron-50", "--format", "safetensors", "--output", str(tmp_path / "n.safetensors"))
    assert outcome.status == 0, outcome.output
    exported, card = read_network((tmp_path / "n.safetensors").read_bytes())
    run = next(run for run in project.runs("job") if run.info.run_name == "neuron-50")
    kept, _ = read_network(project.artifact(run, "network.safetensors").read_bytes())
    images = torch.rand(5, 1, 8, 8)
    assert torch.equal(exported(images), kept(images))
    assert card.classes == tuple("0123456789")
    assert card.shape == (1, 8, 8)


@pytest.mark.slow
def test_the_file_is_named_after_the_job_and_an_existing_one_is_kept(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    file = project.folder / "weight-99.safetensors"
    assert export(project, "weight-99", "--format=safetensors").status == 0
    before = file.read_bytes()
    outcome = export(project, "weight-99", "--format=safetensors")
    assert outcome.status == 1
    assert "--force" in outcome.output
    assert file.read_bytes() == before
    assert export(project, "weight-99", "--format=safetensors", "--force").status == 0


def test_a_run_named_by_an_escape_sequence_is_shown_without_it(swept: tuple[Project, Outcome], tmp_path: Path) -> None:
    project, _ = swept
    job = project.runs("job")[0].info
    project.client.update_run(job.run_id, name=f"{job.run_name}\x1b]0;owned\x07")
    command = [sys.executable, "-c", "from prunelab.cli.export import main; main()"]  # nothing else is imported
    options = ["data=digits", job.run_id, "--format=safetensors", f"--output={tmp_path / 'a.safetensors'}"]
    try:
        outcome = subprocess.run([*command, *options], cwd=project.folder, capture_output=True, text=True, timeout=300)
    finally:
        project.client.update_run(job.run_id, name=job.run_name)
    assert outcome.returncode == 0, outcome.stderr
    assert "owned" in outcome.stdout
    assert "\x1b" not in outcome.stdout


def test_a_run_that_is_unknown_no_job_or_not_finished_is_refused(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    before = set(project.folder.iterdir())
    (sweep,) = project.runs("sweep")
    refused = {"weigth-50": "nearest: weight-50", sweep.info.run_id: "is a sweep", "0" * 32: "there is no job"}
    for wanted, words in refused.items():
        outcome = export(project, wanted)
        assert outcome.status == 1
        assert words in outcome.output
    job = project.runs("job")[0]
    project.client.set_terminated(job.info.run_id, "FAILED")
    try:
        assert "FAILED, not FINISHED" in export(project, job.info.run_id).output
    finally:
        project.client.set_terminated(job.info.run_id, "FINISHED")
    assert set(project.folder.iterdir()) == before


def test_a_file_that_computes_something_else_is_never_written(
    swept: tuple[Project, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = lambda *given: lambda images: torch.zeros(len(images), 10)  # noqa: E731
    monkeypatch.setattr(deployable, "_opened", wrong)
    outcome = export(swept[0], "weight-0", "--format=safetensors", f"--output={tmp_path / 'x.safetensors'}")
    assert outcome.status == 1
    assert "nothing was written" in outcome.output
    assert list(tmp_path.iterdir()) == []


def test_what_reached_the_disk_otherwise_than_it_was_measured_gets_no_name(
    swept: tuple[Project, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(content: bytes, metadata: object) -> bytes:
        return onnx.onnx_bytes(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)), (1, 8, 8))

    monkeypatch.setattr(deployable, "described", damaged)
    outcome = export(swept[0], "weight-0", f"--output={tmp_path / 'x.onnx'}")
    assert outcome.status == 1
    assert "nothing was written" in outcome.output
    assert list(tmp_path.iterdir()) == []


def test_a_safetensors_file_is_sparse_where_that_is_smaller_unless_dense_is_asked_for(
    swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    project, _ = swept
    run = next(run for run in project.runs("job") if run.info.run_name == "weight-50")
    sizes = {}
    for option in ("", "--dense"):
        path = tmp_path / f"n{option}.safetensors"
        outcome = export(project, "weight-50", "--format=safetensors", f"--output={path}", *filter(None, [option]))
        assert outcome.status == 0, outcome.output
        assert f"safetensors, {'dense' if option else 'sparse'}, {path.stat().st_size:,} bytes" in outcome.output
        assert f"test accuracy {run.data.metrics['test/accuracy']:.4f}" in outcome.output
        sizes[option] = path.stat().st_size
        recorded = run.data.metrics["file/dense_bytes" if option else "file/bytes"]
        added = sizes[option] - recorded
        assert 0 < added < 2000
        words = f"(recorded: {recorded:,.0f} bytes; the difference is metadata, {added:,.0f} bytes)"
        assert words in outcome.output
    assert sizes[""] < sizes["--dense"]


def test_a_network_with_an_empty_layer_is_refused_in_int8_with_words(
    swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    outcome = export(swept[0], "neuron-99", "--int8", f"--output={tmp_path / 'x.onnx'}")
    assert outcome.status == 1
    assert "pruning left a layer without units" in outcome.output
    assert list(tmp_path.iterdir()) == []


def test_an_int8_file_is_a_quarter_as_large_and_its_accuracy_is_that_of_all_test_images(
    swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="pip install -e '.[onnx]'")
    project, _ = swept
    path = tmp_path / "q.onnx"
    outcome = export(project, "neuron-0", "--int8", f"--output={path}")
    assert outcome.status == 0, outcome.output
    session = runtime.InferenceSession(path)
    test = dataset_of(compose_job(STORE).data).test
    (logits,) = session.run(["logits"], {"images": test.images.numpy()})
    accuracy = float((logits.argmax(1) == test.labels.numpy()).mean())
    assert float(session.get_modelmeta().custom_metadata_map["test_accuracy"]) == pytest.approx(accuracy, abs=1e-6)
    assert f"test accuracy {accuracy:.4f} on 360 images" in outcome.output
    assert "int8: " in outcome.output
    assert path.stat().st_size < 0.5 * 4 * 9024


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--int8", "--format=safetensors"), "--int8 is refused with --format safetensors"),
        (("--dense",), "--dense is refused with --format onnx"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], words: str, swept: tuple[Project, Outcome]
) -> None:
    outcome = export(swept[0], "weight-50", *arguments)
    assert outcome.status == 2
    assert words in outcome.output


def test_without_the_extra_one_message_says_what_to_install(
    swept: tuple[Project, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "known.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # cannot be imported
    for outcome in (
        export(swept[0], "weight-50", f"--output={tmp_path / 'x.onnx'}"),
        export(swept[0], "weight-50", "--int8", f"--output={tmp_path / 'x.onnx'}"),
        in_process("prunelab-predict", predict, swept[0].folder, str(file), "image.png", *STORE),
    ):
        assert outcome.status == 1
        assert "pip install -e '.[onnx]'" in outcome.output
        assert "missing onnxruntime" in outcome.output
        assert "Traceback" not in outcome.output
    assert list(tmp_path.iterdir()) == [file]


def test_a_job_that_kept_no_network_is_said_to_have_kept_none(project: Project, tmp_path: Path) -> None:
    assert project.prunelab(*SMALL, "percentage=50", "measure=off").status == 0
    outcome = export(project, "weight-50", f"--output={tmp_path / 'x.safetensors'}", "--format=safetensors")
    assert outcome.status == 1
    assert "kept no network, because it ran with measure=off" in outcome.output
    assert "Errno" not in outcome.output
