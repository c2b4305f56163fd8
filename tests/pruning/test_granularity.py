"""Granularities beside single weights and neurons: n of every m weights, and blocks."""

from __future__ import annotations

import pytest
import torch
from tests.small import mlp_graph
from torch import Tensor, nn

from prunelab.choices import GranularityName, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.analyse import analyse
from prunelab.pruning.granularity import Block, NofM, Weight, granularity_of
from prunelab.pruning.selection import select


def test_n_of_m_takes_as_many_of_every_group_of_weights_along_the_input() -> None:
    graph, granularity = mlp_graph(8, 2, (6,)), NofM(4)
    saliency = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    kept = select(granularity.scores(graph, {"hidden_1.weight": saliency}), 24, Scope.GLOBAL)
    mask = granularity.mask(graph, kept)["hidden_1.weight"]
    assert (mask.reshape(-1, 4).sum(1) == 2).all()
    groups = saliency.reshape(-1, 4)
    smallest_left = torch.where(mask.reshape(-1, 4), groups, torch.inf).min(1).values
    assert (smallest_left > torch.where(mask.reshape(-1, 4), -torch.inf, groups).max(1).values).all()


@pytest.mark.parametrize(
    ("m", "percentage", "words"),
    [
        (
            4,
            30.0,
            r"percentage=30 is refused: of every 4 weights it accepts 0, 25, 50, 75, 100 \(method.granularity=n_m",
        ),
        (3, 100.0, "layer hidden_1 has 8 weights per output"),
    ],
)
def test_n_of_m_refuses_what_are_no_whole_groups(m: int, percentage: float, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        NofM(m).check(mlp_graph(8, 2, (6,)), percentage)


def test_a_block_is_worth_the_sum_of_its_weights_and_smaller_at_the_edges() -> None:
    graph, granularity = mlp_graph(5, 2, (3,)), Block(2, 2)
    assert granularity.shapes(graph) == [(2, 3)]
    (scores,) = granularity.scores(graph, {"hidden_1.weight": torch.ones(3, 5)})
    assert scores.tolist() == [[4, 4, 2], [2, 2, 1]]
    kept = [torch.tensor([[False, True, False], [True, True, False]])]
    assert granularity.mask(graph, kept)["hidden_1.weight"].int().tolist() == [
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 0],
        [1, 1, 1, 1, 0],
    ]


class Product(nn.Module):
    """A layer whose weight is stored as [in, out]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.output = nn.Parameter(torch.rand(8, 6)), nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output((images @ self.weight).relu())
        return logits


def test_groups_and_blocks_lie_along_the_input_of_a_weight_that_is_stored_the_other_way_round() -> None:
    graph, granularity = analyse(Product(), torch.rand(2, 8)), NofM(4)
    saliency = {"weight": torch.rand(8, 6, generator=torch.Generator().manual_seed(0))}
    kept = select(granularity.scores(graph, saliency), 24, Scope.GLOBAL)
    mask = granularity.mask(graph, kept)["weight"]
    assert mask.shape == (8, 6)
    assert (mask.T.reshape(-1, 4).sum(1) == 2).all()
    with pytest.raises(ConfigError, match="layer weight has 8 weights per output"):
        NofM(3).check(graph, 100.0)
    blocks = Block(1, 4)
    assert blocks.shapes(graph) == [(6, 2)]
    (scores,) = blocks.scores(graph, saliency)
    torch.testing.assert_close(scores[0], saliency["weight"][:, 0].reshape(2, 4).sum(1))
    first = torch.zeros(6, 2, dtype=torch.bool)
    first[0, 0] = True
    assert blocks.mask(graph, [first])["weight"].nonzero().tolist() == [[row, 0] for row in range(4)]


@pytest.mark.parametrize(("name", "key"), [(GranularityName.N_M, "method.m"), (GranularityName.BLOCK, "method.block")])
def test_a_size_that_is_missing_is_asked_for(name: GranularityName, key: str) -> None:
    method = Method(name="own", granularity=name, score="magnitude", scope=Scope.GLOBAL, min_keep=0)
    with pytest.raises(ConfigError, match=f"{key} is missing"):
        granularity_of(method)


def test_weights_of_excluded_layers_are_not_ranked() -> None:
    graph = mlp_graph(8, 2, (6, 4)).excluding(["hidden_2"])
    assert Weight().layers(graph) == ["hidden_1"]
    with pytest.raises(ConfigError, match=r"no layer has that name; the layers are hidden_1, hidden_2, output"):
        graph.excluding(["hidden_3"])
