"""What determines a result is what its hash says, and nothing else; a sweep is not resumed with something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from prunelab import identity
from prunelab.compose import compose_job
from prunelab.identity import baseline_key, config_hash, depends_on_threads, determinants
from tests.conftest import SMALL, Outcome, Project

JOB = ("data=digits", "model=mlp_small", "percentage=20")


def test_a_job_is_identified_by_what_it_computes_and_by_nothing_else() -> None:
    job = config_hash(compose_job([*JOB]))
    for same in (
        "trainer.threads=1",
        "name=other",
        "tracking.experiment_name=x",
        "measure=off",
        "data.folder=/nowhere",
    ):
        assert config_hash(compose_job([*JOB, same])) == job, same
    changes = ("percentage=21", "seed=1", "method=neuron", "training.epochs=9", "data.split_seed=1", "recovery.name=x")
    for change in (*changes, "trainer.arithmetic=native", "calibration.images=9", "percentage_of=parameters"):
        assert config_hash(compose_job([*JOB, change])) != job, change


def test_a_training_is_identified_without_what_only_pruning_reads() -> None:
    key = baseline_key(compose_job([*JOB]))
    for same in ("percentage=99", "method=neuron", "recovery=least_squares", "data.name=other"):
        assert baseline_key(compose_job([*JOB, same])) == key, same
    for change in ("seed=1", "training.flip=true", "model.hidden=[16]", "trainer.arithmetic=native"):
        assert baseline_key(compose_job([*JOB, change])) != key, change


def test_the_version_of_the_computation_identifies(monkeypatch: pytest.MonkeyPatch) -> None:
    job = compose_job([*JOB])
    before = config_hash(job), baseline_key(job)
    monkeypatch.setattr(identity, "COMPUTATION", identity.COMPUTATION + 1)
    assert config_hash(job) != before[0]
    assert baseline_key(job) == before[1]
    monkeypatch.setattr(identity, "TRAINING", identity.TRAINING + 1)
    assert baseline_key(job) != before[1]


def test_threads_identify_where_gradients_are_sums_that_threads_share() -> None:
    linear, convolution = compose_job([*JOB]), compose_job(["data=digits", "model=resnet8", "percentage=20"])
    assert config_hash(linear, threads=1) == config_hash(linear, threads=2)
    assert config_hash(convolution, threads=1) != config_hash(convolution, threads=2)
    assert determinants(convolution, threads=3)["arithmetic"]["threads"] == 3
    graphs = [identity.graph_of(job.model, identity.dataset_of(job.data)) for job in (linear, convolution)]
    assert [depends_on_threads(graph) for graph in graphs] == [False, True]


def test_the_code_of_every_step_of_a_recovery_identifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "own_recovery_step.py"
    module.write_text("from prunelab.recovery.none import Options, recover\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = "+recovery.mine={name: mine, module: own_recovery_step}"
    job = compose_job([*JOB, "recovery=sequence", own, "recovery.steps=[mine]"])
    assert "own_recovery_step.recover" in determinants(job)["code"]
    alone = compose_job([*JOB, "recovery.name=mine", "recovery.module=own_recovery_step"])
    assert "own_recovery_step.recover" in determinants(alone)["code"]


def test_imports_that_would_fail_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may never run, or be caught."""
    for name, source in {
        "own_unreadable": "def broken(:\n",
        "own_helper": "A = 1\n",
        "own_guarded": "import own_unreadable, own_helper, own_raising.part\nfrom .. import outside\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "own_raising").mkdir()
    (tmp_path / "own_raising" / "__init__.py").write_text("raise RuntimeError('not here')\n")
    (tmp_path / "own_raising" / "part.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(identity._imports("own_guarded")) == {"own_guarded", "own_unreadable", "own_helper"}


@pytest.mark.parametrize("packed", [True, False], ids=["package", "folder"])
def test_files_that_a_users_own_code_imports_identify(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "own_package_of_scores" if packed else "own_folder_of_scores"
    folder = tmp_path / package
    folder.mkdir()
    if packed:
        (folder / "__init__.py").write_text("")
    (folder / "score.py").write_text(
        "import torch\nimport prunelab\n\n\ndef mine(network, graph, calibration):\n    from . import helper\n"
    )
    helper = folder / "helper.py"
    helper.write_text("FACTOR = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = f"{package}.score.mine"
    before = identity._source.__wrapped__(path)
    assert identity._source.__wrapped__(path) == before
    modules = {f"{package}.score", f"{package}.helper"} | ({package} if packed else set())
    assert set(identity._imports(f"{package}.score")) == modules
    helper.write_text("FACTOR = 2\n")
    assert identity._source.__wrapped__(path) != before


SCORE = """
def mine(network, graph, calibration):
    return {layer.weight: FACTOR * network.get_parameter(layer.weight).abs() for layer in graph.prunable}
"""


@pytest.mark.slow
def test_a_sweep_is_not_resumed_with_other_code_other_arithmetic_or_other_data(project: Project) -> None:
    """In processes of their own, as a person would."""
    score = project.folder / "own_score.py"
    score.write_text(SCORE.replace("FACTOR", "1.0"))
    pictures = project.folder / "pictures"
    _pictures(pictures, shade=0)
    command = (
        *(
            "-m",
            "data=image_folder",
            f"data.folder={pictures}",
            "data.size=[8,8]",
            "data.validation=4",
            "model=mlp_small",
        ),
        *(
            "training.epochs=1",
            "method=weight",
            "method.score=own_score.mine",
            "percentage=0,50",
            "measure=off",
            "trainer.progress=false",
        ),
    )
    first = project.in_a_process(*command)
    assert first.status == 0, first.output
    again = project.in_a_process(*command, "resume=last")
    assert again.status == 0, again.output
    assert "2 of 2 jobs are done" in again.output

    score.write_text(SCORE.replace("FACTOR", "2.0"))
    _refused(project.in_a_process(*command, "resume=last"), "code.own_score.mine: recorded")
    score.write_text(SCORE.replace("FACTOR", "1.0"))
    native = project.in_a_process(*command, "resume=last", "trainer.arithmetic=native")
    _refused(native, "arithmetic.setting: recorded portable, now native")
    _pictures(pictures, shade=40)
    _refused(project.in_a_process(*command, "resume=last"), "data.digest: recorded")


def _pictures(folder: Path, shade: int) -> None:
    for number, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(12):
            Image.new("L", (8, 8), 150 * number + 5 * index + shade).save(folder / name / f"{index}.png")


def _refused(outcome: Outcome, reason: str) -> None:
    assert outcome.status == 1, outcome.output
    assert "was recorded with another configuration" in outcome.output
    assert reason in outcome.output


def test_one_process_computes_in_one_way(project: Project) -> None:
    refused = project.prunelab(*SMALL, "trainer.arithmetic=native")
    assert refused.status == 1
    assert "PRUNELAB_ARITHMETIC=native" in refused.output
