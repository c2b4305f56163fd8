"""Bad input is refused in one message that names the key and what it accepts, and leaves nothing in the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.reading import CONF
from tests.conftest import SMALL, Project

REFUSED = {
    "percentage=-1": ("percentage=-1", "0 to 100"),
    "percentage=101": ("percentage=101", "0 to 100: percent to remove, of what percentage_of counts"),
    "percentage=nan": ("percentage=nan", "0 to 100"),
    "percentage=abc": ("percentage=abc", "0 to 100"),
    "percentage=true": ("percentage=True", "0 to 100"),
    "method=nonsense": ("method/nonsense", "neuron"),
    "experiment=nonsense": ("experiment/nonsense", "report"),
    "nonsense=1": ("there is no key nonsense", "prunelab --help"),
    "methd=weight": ("there is no key methd", "did you mean method=?"),
    "training.epoch=3": ("there is no key training.epoch;", "did you mean training.epochs=?"),
    "+nonsense=1": ("nonsense: no such key", ""),
    "training.nonsense=1": ("nonsense", ""),
    "training.epochs=-1": ("training.epochs=-1", "at least 0"),
    "percentage_of=neurons": ("percentage_of=neurons", "units or parameters or multiply_adds"),
    "method.exclude=[nothing*]": ("method.exclude=nothing*", "hidden_1, hidden_2, hidden_3, output"),
    "method=weight_n_m percentage=30": ("percentage=30", "0, 25, 50, 75, 100"),
    "method=weight_n_m percentage=75 recovery=least_squares recovery.steps=4": (
        "prunes to 29.2893%",
        "0, 25, 50",
    ),
    "method=weight_n_m method.m=3": ("method.m=3", "layer hidden_1 has 64 weights"),
    "method=weight_n_m method.m=null": ("method.m is missing", "4 for 2:4"),
    "method=weight_block method.block=[0,4]": ("method.block", "a list of two whole numbers"),
    "model.checkpoint=nowhere.pt": ("model.checkpoint=nowhere.pt", "cannot be read"),
    "model.network=json.dumps": ("model=mlp_small", "json.dumps"),
    "model.network=prunelab.network.lenet5.LeNet5": ("model=mlp_small", "LeNet5"),
    "percentage_of=multiply_adds percentage=99": ("percentage=99 of multiply_adds", "up to that"),
    "recovery.batch_norm=yes_please": ("recovery.batch_norm=yes_please", "true or false"),
    "recovery=finetune recovery.epochs=0": ("recovery.epochs=0", "a whole number, at least 1"),
    "recovery=sequence recovery.finetune.epochs=0": ("recovery.finetune.epochs=0", "a whole number, at least 1"),
    "training.batch_size=0": ("training.batch_size=0", "at least 1"),
    "training.learning_rate=0": ("training.learning_rate=0", "above 0"),
    "training.precision=float8": ("training.precision=float8", "float32 or bf16 or auto"),
    "training.optimizer=lion": ("training.optimizer=lion", "adam"),
    "training.patience=0": ("training.patience=0", "at least 1"),
    "seed=-1": ("seed=-1", "0 to"),
    "method.score=nonsense": ("method.score", "nonsense"),
    "method.scope=nonsense": ("method.scope=nonsense", "global"),
    "model.activation=nonsense": ("model.activation=nonsense", "relu"),
    "model.hidden=[]": ("model.hidden", "at least 1"),
    "+model.nonsense=1": ("model=mlp_small", "nonsense"),
    "data.validation=5000": ("data.validation=5000", "1 to"),
    "tracking.uri=mysql://x": ("tracking.uri=mysql://x", "sqlite:////"),
    "tracking.uri=sqlite:////dev/null/mlflow.db": ("/dev/null", "cannot be written"),
    "resume=last": ("resume=last", "sweep"),
}


@pytest.mark.parametrize("override", REFUSED)
def test_bad_input_is_refused_with_one_message_and_nothing_written(override: str, project: Project) -> None:
    before = project.database.read_bytes()
    outcome = project.prunelab(*SMALL, *override.split())
    assert outcome.status == 1
    for words in REFUSED[override]:
        assert words in outcome.output
    assert "Traceback" not in outcome.output
    assert project.database.read_bytes() == before


@pytest.mark.parametrize(
    "values",
    ["percentage=10,101", "percentage=20,abc", "method=weight,nonsense", "method=weight_n_m percentage=50,30"],
)
def test_a_sweep_with_one_bad_value_is_refused_before_its_first_job(values: str, project: Project) -> None:
    before = project.database.read_bytes()
    outcome = project.prunelab("-m", *SMALL, *values.split())
    assert outcome.status == 1
    assert "accuracy" not in outcome.output
    assert project.database.read_bytes() == before


@pytest.mark.parametrize(
    "option",
    [
        f"{group.name}={file.stem}"
        for group in sorted(CONF.iterdir())
        if group.is_dir() and group.name not in ("experiment", "hydra")
        for file in sorted(group.glob("*.yaml"))
    ],
)
def test_every_option_of_every_group_composes_into_a_valid_job(option: str) -> None:
    compose_job([option])


def test_every_experiment_says_its_command_what_to_expect_and_how_long_it_takes() -> None:
    for file in (CONF / "experiment").glob("*.yaml"):
        head = file.read_text()
        assert f"experiment={file.stem}" in head
        assert "Expect:" in head
        assert "Time:" in head


def test_showing_a_configuration_and_sweeping_exclude_each_other(project: Project) -> None:
    before = project.database.read_bytes()
    for shown in (["--cfg", "job"], ["--cfg=job"]):
        outcome = project.prunelab("-m", *shown, "data=digits", "percentage=0,50")
        assert outcome.status == 1
        assert outcome.output == "prunelab: --cfg with -m is refused: it shows one job and runs nothing; leave out -m\n"
    assert project.database.read_bytes() == before


def test_many_jobs_are_announced_before_they_are_composed(project: Project) -> None:
    many = project.prunelab("-m", "data=digits", "percentage=range(0,100)", "seed=0,1,2,3,4,-1")
    assert many.status == 1
    announced, found, rest = many.output.partition("composing 600 jobs\n")
    assert (announced, bool(found)) == ("", True)
    assert "seed=-1" in rest, "the last of them is refused"
    assert "composing" not in project.prunelab("-m", "data=digits", "percentage=0,101").output


def test_bounds_are_checked_before_torch_is_loaded(tmp_path: Path) -> None:
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        "from prunelab.app import main\n"
        "main()\n"
    )
    for arguments in (["percentage=101"], ["recovery=finetune", "recovery.epochs=0"], ["resume=last"]):
        command = [sys.executable, "-c", probe, *arguments, "training.precision=float32"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"{arguments[-1]} is refused" in done.stderr
        assert "prunelab.app" in done.stdout
        assert "torch" not in done.stdout.split(), arguments


def test_of_a_sequence_only_what_it_does_is_checked() -> None:
    untrained = ["recovery=sequence", "training.epochs=0"]  # what the step `rewind` could not do
    assert compose_job(untrained).recovery.name == "sequence"
    with pytest.raises(ConfigError, match=r"recovery\.rewind\.epochs=0"):
        compose_job([*untrained, "recovery.steps=[rewind]"])


def test_a_missing_group_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        compose_job(["nonsense=weight"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("methd=weight", "there is no key methd; did you mean method=?"),
        ("~data.validation", "data.validation is missing: it accepts a whole number, at least 1"),
        ("~method.scope", "method.scope is missing: it accepts global or "),
    ],
)
def test_the_other_commands_refuse_in_the_same_words(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose_job([override])
    assert words in str(refused.value)
