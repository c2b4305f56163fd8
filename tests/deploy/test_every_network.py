"""Every network of conf/model, whole and pruned, as ONNX in float32 and int8, as safetensors, and as source."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.conftest import SMALL, Project, in_process
from torch import Tensor, nn

import prunelab
from prunelab.compose import compose_job
from prunelab.config import Model
from prunelab.deploy.export import main
from prunelab.deploy.predict import main as predict
from prunelab.deploy.script import function_source
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.lively import lively, normalise
from prunelab.measure.files import saved
from prunelab.network.build import build
from prunelab.network.saved import Card, read_network
from prunelab.reading import CONF
from prunelab.runtime.int8 import quantized
from prunelab.runtime.onnx import onnx_bytes, onnx_runner

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
SHAPE = (1, 28, 28)
CLASSES = tuple("0123456789")


def images(count: int, seed: int) -> Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def subject(name: str, percentage: int) -> tuple[nn.Module, Card]:
    """A network of the configuration, untrained, without this share of its neurons."""
    model: Model = compose_job([f"model={name}"]).model
    network = lively(build(model, SHAPE, len(CLASSES), seed=0).eval())
    normalise(network, images(9, seed=0))
    weights = tuple(layer.weight for layer in prunelab.analyse(network, images(2, seed=0)).layers)
    if percentage:
        network = prunelab.prune(network, images(32, seed=1), "neuron_activation", percentage).network
    return network.eval(), Card(model, SHAPE, CLASSES, None, weights)


@pytest.mark.slow
@pytest.mark.parametrize("percentage", [0, 50])
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_every_form_of_every_network_computes_what_it_does(name: str, percentage: int) -> None:
    pytest.importorskip("onnxruntime", reason="pip install -e '.[onnx]'")
    network, card = subject(name, percentage)
    given = images(9, seed=2)
    expected = network(given)

    content = onnx_bytes(network, SHAPE)
    assert b"BatchNormalization" not in content, "it is folded into the convolution before it"
    assert is_exact(difference(onnx_runner(content, 1)(given), expected))
    small = quantized(content, given.numpy())
    assert len(small) < len(content)
    assert difference(onnx_runner(small, 1)(given), expected) < 0.3
    again = read_network(saved(network, None, card).content)[0]
    assert torch.equal(again(given), expected)
    made: dict[str, object] = {"torch": torch, "Tensor": Tensor}
    exec(function_source(network, SHAPE), made)
    assert is_exact(difference(made["network"](dict(network.state_dict()), given), expected))  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8", "vit_tiny"])
def test_a_network_that_is_no_chain_goes_through_the_commands(name: str, project: Project, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install -e '.[onnx]'")
    command = (*SMALL, f"model={name}", "training.epochs=1", "method=neuron_activation", "percentage=50")
    outcome = project.prunelab(*command, "measure.batch_sizes=[]")
    assert outcome.status == 0, outcome.output
    (run,) = project.runs("job")
    for number, options in enumerate((["--format=onnx"], ["--format=onnx", "--int8"], ["--format=safetensors"])):
        file = tmp_path / f"{number}.{options[0].partition('=')[2]}"
        arguments = ("last", *options, f"--output={file}", "data=digits")
        outcome = in_process("prunelab-export", main, project.folder, *arguments)
        assert outcome.status == 0, outcome.output
        assert {path.name for path in tmp_path.glob(f"{number}.*")} == {
            f"{file.name}{end}" for end in ("", ".py", ".md")
        }
        if "--int8" not in options:
            assert f"test accuracy {run.data.metrics['test/accuracy']:.4f} on 360 images" in outcome.output
        outcome = in_process("prunelab-predict", predict, project.folder, str(file), "absent.png", "data=digits")
        assert "absent.png cannot be read as an image" in outcome.output
