"""`jobs:` and `zip:` of an experiment: exactly the jobs that are listed, each combined with what is swept."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conftest import SMALL, Project

from prunelab.errors import ConfigError
from prunelab.sweep.combinations import combined

pytestmark = pytest.mark.usefixtures("unillustrated")
GRID = [{"seed": "0"}, {"seed": "1"}]
EXPERIMENT = """\
# @package _global_
# Two recipes side by side.
name: pair
hydra:
  mode: MULTIRUN
  sweeper:
    jobs:
      - [method=weight, percentage=90]
      - {method: neuron, percentage: 50, recovery: least_squares}
"""
IN_STEP = """\
# @package _global_
name: steps
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      seed: 0,1
    zip:
      method: weight,neuron
      percentage: [90, 50]
"""


def test_each_job_is_combined_with_the_grid() -> None:
    jobs = [["method=weight", "percentage=90"], {"method": "neuron", "model.hidden": [8, 4], "a": None, "b": True}]
    assert combined(GRID, jobs, None) == [
        {"seed": "0", "method": "weight", "percentage": "90"},
        {"seed": "0", "method": "neuron", "model.hidden": "[8,4]", "a": "null", "b": "true"},
        {"seed": "1", "method": "weight", "percentage": "90"},
        {"seed": "1", "method": "neuron", "model.hidden": "[8,4]", "a": "null", "b": "true"},
    ]


def test_zipped_keys_go_in_step() -> None:
    steps = {"method": "weight,neuron", "percentage": [90, 50], "name": ["a b", "c"]}
    assert combined([{}], None, steps) == [
        {"method": "weight", "percentage": "90", "name": "'a b'"},
        {"method": "neuron", "percentage": "50", "name": "c"},
    ]
    assert len(combined(GRID, [["recovery=none"], ["recovery=rewind"]], steps)) == 8


@pytest.mark.parametrize(
    ("jobs", "zipped", "words"),
    [
        (["method=weight"], None, "job 1, 'method=weight', is refused: each job is a list of overrides"),
        ([["method"]], None, "job 1, 'method'"),
        ([["method=weight,neuron"]], None, "it has several values"),
        ([[]], None, "job 1"),
        ([["seed=3"]], None, "seed is refused: set in hydra.sweeper.jobs and on the command line"),
        (None, {"seed": "1,2"}, "seed is refused: set in hydra.sweeper.zip and on the command line"),
        ([["a=1"]], {"a": "1,2"}, "a is refused: set in hydra.sweeper.jobs and hydra.sweeper.zip"),
        (None, {"a": "1,2", "b": "1,2,3"}, "a has 2, b has 3"),
        (None, {"a": 1}, "hydra.sweeper.zip.a=1 is refused: it accepts values with commas, or a list"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(jobs: Any, zipped: Any, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        combined(GRID, jobs, zipped)
    assert words in str(refusal.value)


LISTED = ["weight-90", "neuron-50-least_squares"]
STEPS = ["weight-90-seed0", "neuron-50-seed0", "weight-90-seed1", "neuron-50-seed1"]


@pytest.mark.parametrize(
    ("text", "jobs"), [pytest.param(EXPERIMENT, LISTED, marks=pytest.mark.slow), (IN_STEP, STEPS)], ids=["jobs", "zip"]
)
def test_an_experiment_runs_exactly_what_it_lists_and_names_say_the_recovery_and_seed_that_vary(
    text: str, jobs: list[str], project: Project
) -> None:
    folder = project.folder / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "pair.yaml").write_text(text)
    own = ("--config-dir", str(project.folder / "mine"), "experiment=pair", *SMALL)
    outcome = project.prunelab(*own)
    assert outcome.status == 0, outcome.output
    names = sorted(run.info.run_name for run in project.runs("job"))
    assert names == sorted(jobs)
    refused = project.prunelab(*own, "method=weight")
    assert refused.status == 1
    assert "method is refused: set in hydra.sweeper" in refused.output
    assert len(project.runs("sweep")) == 1
