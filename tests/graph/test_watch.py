"""What layers are given is seen, in order and as it was there and then."""

from __future__ import annotations

import torch
from tests.small import linear_layers, mlp, mlp_graph
from torch import Tensor, nn

from prunelab.graph.analyse import analyse
from prunelab.graph.watch import Call, each_call, watching


def test_what_a_layer_is_given_is_seen_in_order() -> None:
    network, images = mlp(6, 3, [4, 5], bias=False), torch.rand(7, 6)
    seen: list[Call] = []
    logits = each_call(network, mlp_graph(6, 3, (4, 5), False), images, seen.append)
    assert [call.layer.name for call in seen] == ["hidden_1", "hidden_2", "output"]
    assert torch.equal(seen[0].given, images)
    assert torch.equal(seen[1].given, linear_layers(network)[0](images).relu())
    assert torch.equal(seen[2].compute(), logits)
    assert torch.equal(logits, network(images))


def test_it_is_seen_before_something_overwrites_it() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.output = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, images: Tensor) -> Tensor:
            inner = self.first(images)
            logits: Tensor = self.output(inner)
            return logits + inner.zero_().sum()

    torch.manual_seed(0)
    network, images, seen = Overwriting(), torch.rand(3, 4), {}
    with torch.no_grad():
        graph = analyse(network, images)
        each_call(network, graph, images, lambda call: seen.update({call.layer.name: call.given.clone()}))
        assert torch.equal(seen["output"], network.first(images))


def test_a_visitor_answers_with_the_output_of_the_layer_and_may_give_it_another_input() -> None:
    network, images = mlp(6, 3, [4]), torch.rand(7, 6)
    layers = linear_layers(network)

    def visit(call: Call) -> Tensor:
        return call.compute(torch.zeros_like(call.given)) if call.layer.name == "output" else call.compute()

    with watching(network, mlp_graph(6, 3, (4,)), visit):
        logits = network(images)
    assert torch.equal(logits, layers[-1].bias.expand(7, 3))
