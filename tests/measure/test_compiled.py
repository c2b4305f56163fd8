"""torch.compile as a runtime: what is compiled computes the same, for job after job, and is never eager in disguise."""

from __future__ import annotations

import pytest
import torch
from tests.small import mlp

from prunelab.compose import compose_job
from prunelab.graph.analyse import analyse
from prunelab.measure.forms import COMPACTED, Networks, forms
from prunelab.measure.latency import DENSE
from prunelab.network.resnet8 import ResNet8
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.prune import prune
from prunelab.runtime import compiled

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def needs_a_compiler() -> None:
    if (words := compiled.lacking()) is not None:
        pytest.skip(words)


@pytest.mark.parametrize("kind", ["mlp", "resnet8"])
def test_compiled_forms_compute_the_same_at_every_batch_size(kind: str) -> None:
    torch.manual_seed(0)
    shape = (1, 8, 8)
    dense = (mlp(64, 4, [16, 12]) if kind == "mlp" else ResNet8(shape, 4, [4, 8, 8])).eval()
    images = torch.rand(9, *shape)
    given = Calibration(images, torch.randint(4, (9,)), seed=0)
    method = compose_job(["method=neuron"]).method
    pruned = prune(dense, analyse(dense, images), method, 50.0, given)
    networks = Networks(dense, pruned, compact(pruned).network, shape)
    found = forms(networks, compose_job(["measure.runtime=compile"]).measure, torch.device("cpu"))
    assert ", compiled" in found.runtime
    assert found.placebo is not None
    with torch.no_grad():
        for size in (1, 5):
            expected = dense(images[:size]), pruned.network(images[:size])
            for run, wanted in (
                *((found.operators[form], wanted) for form, wanted in zip((DENSE, COMPACTED), expected, strict=True)),
                (found.placebo, expected[0]),
            ):
                assert torch.allclose(run(images[:size]), wanted, atol=1e-4)


def test_the_tenth_network_of_a_process_is_still_compiled() -> None:
    """torch compiles one code for eight shapes and then, unless told otherwise, runs it in eager mode."""
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        for width in range(3, 13):
            compiled.compiled(torch.nn.Linear(width, 2))(torch.rand(1, width))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 10
