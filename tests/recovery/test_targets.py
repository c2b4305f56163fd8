"""What layers are fitted to: together, what the ReLUs of the network get, whatever the network is made of."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from tests.conftest import examples
from tests.graph.random_networks import Spec, images, specs, subject
from tests.graph.test_random_networks import drawn, seeds, shares
from tests.small import everything, mlp, mlp_graph, pruned_by
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from prunelab.graph.exact import difference
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.granularity import Neuron, Weight
from prunelab.recovery.refit import refit
from prunelab.recovery.targets import layer_targets


class InputsOfReLUs(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.relu:
            self.seen.append(args[0].movedim(1, -1).reshape(-1, args[0].shape[1]).clone())
        return func(*args, **kwargs or {})


@settings(max_examples=examples(40))
@given(specs)
def test_the_targets_are_what_the_relus_get(spec: Spec) -> None:
    network, graph = subject(spec)
    targets = layer_targets(network, graph, Calibration(images(4), None, seed=0), together=True)
    with torch.no_grad(), InputsOfReLUs() as watch:
        network(images(4))
    for each in graph.preactivations:
        same = [seen for seen in watch.seen if seen.shape == targets[each].shape]
        assert min(float((seen - targets[each]).abs().max()) for seen in same) < 1e-9 * float(
            targets[each].abs().max() + 1
        )


@settings(max_examples=examples(40))
@given(specs, shares, seeds)
def test_a_network_that_is_refitted_together_is_compacted_exactly(spec: Spec, choice: list[float], seed: int) -> None:
    network, graph = subject(spec)
    pruned = pruned_by(network, graph, Neuron(), drawn(Neuron().shapes(graph), choice, seed))
    given = Calibration(images(8), None, seed=0)
    targets = layer_targets(network, graph, given, together=True)
    found = refit(pruned, targets, given, ridge=1e-2, rounds=2)
    with torch.no_grad():
        outputs = found.network(images(4))
        assert bool(outputs.isfinite().all())
        assert difference(compact(found).network(images(4)), outputs) < 1e-6


def test_no_more_rows_than_asked_for_are_fitted() -> None:
    network, graph = mlp(6, 3, [4]), mlp_graph(6, 3, (4,))
    given = Calibration(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), None, seed=0)
    kept = everything(graph, Weight())
    kept[0][:, :3] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    found = []
    for rows in (20, 50, 51):
        targets = layer_targets(network, graph, given, rows)
        assert {len(target) for target in targets.values()} == {min(rows, 50)}
        found.append(refit(pruned, targets, given, 1e-3, rows).network.state_dict())
    assert torch.equal(found[1]["output.weight"], found[2]["output.weight"])
    assert not torch.equal(found[0]["output.weight"], found[1]["output.weight"])
