"""Every network of conf/model, whole and pruned, as ONNX in float32 and int8, as safetensors, and as source."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.onnx_parts import parts_of
from tests.conftest import SMALL, Project, in_process
from torch import Tensor, nn

import prunelab
from prunelab.cli.export import main
from prunelab.cli.predict import main as predict
from prunelab.compose import compose_job
from prunelab.config import Model
from prunelab.deploy.script import function_source
from prunelab.errors import ExportError
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.randomise import normalise, randomised
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
    network = randomised(build(model, SHAPE, len(CLASSES), seed=0).eval())
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
    assert 0 < parts_of(small).weights < parts_of(content).numbers / 3, "of few weights the graph takes more, though"
    assert difference(onnx_runner(small, 1)(given), expected) < 0.3
    again = read_network(saved(network, None, card).content)[0]
    assert torch.equal(again(given), expected)
    made: dict[str, object] = {"torch": torch, "Tensor": Tensor}
    exec(function_source(network, SHAPE), made)
    assert is_exact(difference(made["network"](dict(network.state_dict()), given), expected))  # type: ignore[operator]


class Unusual(nn.Module):
    """Sizes in arithmetic, a device, infinity, and `count` numbers that are not in the state dict."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.linear = nn.Linear(28 * 28, 4)
        self.scale = torch.linspace(1, 2, count)

    def forward(self, w: Tensor) -> Tensor:
        logits = self.linear(w.reshape(w.shape[0], w.shape[2] * w.shape[3])) * self.scale[:4]
        return logits.masked_fill(torch.arange(4, device=w.device) > 2, float("-inf")).softmax(1)


@torch.no_grad()
def test_sizes_devices_infinity_and_few_constants_are_written_as_source_and_many_are_refused() -> None:
    network = Unusual(4).eval()
    source = function_source(network, SHAPE)
    assert "images.device" in source
    assert " = None" not in source
    made: dict[str, object] = {"torch": torch, "Tensor": Tensor}
    exec(source, made)
    for count in (1, 7):
        given = images(count, seed=2)
        found = made["network"](dict(network.state_dict()), given)  # type: ignore[operator]
        assert is_exact(difference(found, network(given)))
    with pytest.raises(ExportError, match="outside its state dict"):
        function_source(Unusual(65).eval(), SHAPE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet8"])
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
