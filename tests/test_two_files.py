"""A criterion, a recovery, a data set, a network: each is added with one Python file and one YAML file, in a folder of
one's own, and swept at once. Nothing in the checkout changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import SMALL, Project


@dataclass(frozen=True)
class Addition:
    """The option `group`=`name`, and what a sweep with it records in the parameter `group`."""

    group: str
    name: str
    python: str
    yaml: str
    sweep: tuple[str, ...]


CRITERION = Addition(
    "method",
    "neuron_largest",
    """
def largest(network, graph, calibration):
    parameters = dict(network.named_parameters())
    score = calibration.images.new_zeros(graph.units)
    for layer in graph.layers:
        size = parameters[layer.weight].detach().abs().transpose(0, layer.outputs_dim).flatten(1).amax(1)
        score += graph.sum_per_unit(size, graph.outputs_of(layer))
    return score
""",
    "name: neuron_largest\ngranularity: neuron\nscore: added_neuron_largest.largest\nscope: layer\nmin_keep: 1\n",
    ("percentage=0,50",),
)
RECOVERY = Addition(
    "recovery",
    "halved",
    """
import torch

from prunelab.config import Positive
from prunelab.recovery.recover import Options as NoOptions


class Options(NoOptions):
    factor: Positive


def recover(pruned, task, options):
    changed = pruned.with_network(pruned.network)
    with torch.no_grad():
        for parameter in changed.network.parameters():
            parameter.mul_(options.factor)
    return changed
""",
    "name: halved\nmodule: added_halved\nfactor: 0.5\n",
    ("percentage=20,50",),
)
DATA = Addition(
    "data",
    "parity",
    """
import torch
from sklearn.datasets import load_digits

from prunelab.data.finish import finish


def load(config):
    digits = load_digits()
    images = torch.tensor(digits.images).to(torch.uint8)
    labels = torch.tensor(digits.target) % 2
    return finish(
        config,
        train=(images[:-300], labels[:-300]),
        test=(images[-300:], labels[-300:]),
        classes=("even", "odd"),
        source="scikit-learn",
        white=16,
    )
""",
    "name: parity\nloader: added_parity.load\nvalidation: 200\nsplit_seed: 0\n",
    ("percentage=0,50",),
)
NETWORK = Addition(
    "model",
    "slim",
    """
from torch import nn
from torch.nn import functional


class Slim(nn.Module):
    def __init__(self, in_channels, num_classes, width):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1)
        self.inner = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, images):
        maps = functional.relu(self.stem(images))
        maps = functional.relu(self.norm(self.inner(maps)) + maps)
        return self.classifier(maps.mean((2, 3)))
""",
    "defaults:\n  - override /training@_global_.training: convolution\n\n"
    "name: slim\nnetwork: added_slim.Slim\nwidth: 4\n",
    ("method=weight,neuron", "percentage=50"),
)


@pytest.fixture
def elsewhere(project: Project) -> Iterator[Project]:
    """What is imported from the folder is forgotten again."""
    path, known = list(sys.path), set(sys.modules)
    yield project
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.startswith("added_"):
            del sys.modules[name]


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize(
    "addition", [CRITERION, pytest.param(RECOVERY, marks=pytest.mark.slow), DATA, NETWORK], ids=lambda each: each.group
)
def test_an_addition_is_one_python_file_and_one_yaml_file(addition: Addition, elsewhere: Project) -> None:
    options = elsewhere.folder / "conf" / addition.group / f"{addition.name}.yaml"
    options.parent.mkdir(parents=True)
    options.write_text(addition.yaml)
    (elsewhere.folder / f"added_{addition.name}.py").write_text(addition.python)
    small = [word for word in SMALL if word.partition("=")[0] != addition.group]
    outcome = elsewhere.prunelab(
        "-m", "--config-dir", "conf", *small, f"{addition.group}={addition.name}", *addition.sweep
    )
    assert outcome.status == 0, outcome.output
    jobs = elsewhere.runs("job")
    assert [job.info.status for job in jobs] == ["FINISHED", "FINISHED"]
    assert {job.data.params[addition.group] for job in jobs} == {addition.name}
    files = [path for path in elsewhere.folder.rglob("*") if path.suffix in (".py", ".yaml")]
    own = [path for path in files if not path.is_relative_to(elsewhere.folder / "mlruns")]
    assert sorted(own) == sorted([options, elsewhere.folder / f"added_{addition.name}.py"])


def test_a_recipe_in_the_networks_file_is_taken_and_one_on_the_command_line_wins(elsewhere: Project) -> None:
    options = elsewhere.folder / "conf" / "model" / "slim.yaml"
    options.parent.mkdir(parents=True)
    options.write_text(NETWORK.yaml)
    shown = elsewhere.prunelab("--config-dir", "conf", "model=slim", "--cfg", "job", "--package", "training").output
    assert "optimizer: adamw" in shown
    shown = elsewhere.prunelab(
        "--config-dir", "conf", "model=slim", "training=default", "--cfg", "job", "--package", "training"
    ).output
    assert "optimizer: adamw" not in shown
