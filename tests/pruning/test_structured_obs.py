"""Structured OBS against brute force: what removing units costs is what a least-squares fit without them loses."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from tests.small import Residual, linear_layers, mlp
from torch import Tensor, nn
from torch.nn import functional

from prunelab.errors import PrunelabError
from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.pruning import grams
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria import structured_obs
from prunelab.pruning.criteria.structured_obs import Reader, obs
from prunelab.pruning.grams import Gram

SEED = 3


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED))


def gram_of(given: Tensor) -> Gram:
    extended = torch.cat([given, torch.ones(len(given), 1)], 1).double()
    return Gram(extended.T @ extended / len(given))


def lost(given: Tensor, weight: Tensor, bias: bool, gone: list[int]) -> float:
    """The least-squares optimum itself: the squared error a row that is left without some of the inputs, with the
    ridge that the criterion uses.
    """
    target, stays = given @ weight.T, [column for column in range(given.shape[1]) if column not in gone]
    rows = torch.cat([given, torch.ones(len(given), 1)], 1) if bias else given
    start = torch.cat([weight, torch.zeros(len(weight), 1)], 1) if bias else weight
    kept = [*stays, given.shape[1]] if bias else stays
    scale = grams.RIDGE * rows.square().mean(0).mean()
    damping = torch.eye(rows.shape[1]) * (scale * len(rows)).sqrt()  # the ridge pulls towards the weights as they were
    system, wanted = torch.cat([rows, damping]).double(), torch.cat([target, damping @ start.T]).double()
    fitted = torch.linalg.lstsq(system[:, kept], wanted, driver="gelsd").solution
    return float((system[:, kept] @ fitted - wanted).square().sum() / len(rows))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("columns", [[1, 2, 3, 4, 5, 6], [1, 1, 2, 2, 0, 2]])
def test_a_units_cost_is_what_the_least_squares_optimum_without_it_loses(bias: bool, columns: list[int]) -> None:
    given, weight = drawn(40, 6) @ drawn(6, 6) + 1, drawn(4, 6)
    reader = Reader.of(weight, gram_of(given), torch.tensor(columns), torch.zeros(4), torch.zeros(4) if bias else None)
    outputs = given @ weight.T
    energy = outputs.var(0, correction=0) if bias else outputs.square().mean(0)
    costs = reader.costs(6) / reader.scale
    for unit in set(columns) - {0}:
        gone = [place for place, column in enumerate(columns) if column == unit]
        assert float(costs[unit]) == pytest.approx(lost(given, weight, bias, gone), rel=1e-4)
    assert reader.scale == pytest.approx(1 / float(energy.sum()), rel=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_costs_of_removing_one_after_another_add_up_to_the_optimum_without_all(bias: bool) -> None:
    given, weight = drawn(40, 6) @ drawn(6, 6) + 1, drawn(4, 6)
    columns = torch.arange(1, 7)
    reader = Reader.of(weight, gram_of(given), columns, torch.zeros(4), torch.zeros(4) if bias else None)
    together = reader.joint(torch.tensor([2, 3, 6])) / reader.scale
    total = 0.0
    for unit in (2, 6, 3):
        total += float(reader.costs(6)[unit]) / reader.scale
        reader.remove(torch.tensor([unit]))
    assert total == pytest.approx(lost(given, weight, bias, [1, 2, 5]), rel=1e-4)
    assert together == pytest.approx(total, rel=1e-6)


def test_rows_that_are_no_longer_needed_cost_nothing() -> None:
    given, weight = drawn(40, 5), drawn(3, 5)
    rows = torch.tensor([7, 8, 0])
    reader = Reader.of(weight, gram_of(given), torch.arange(1, 6), rows, None)
    reader.remove(torch.tensor([7, 8]))
    alone = Reader.of(weight[2:], gram_of(given), torch.arange(1, 6), rows[2:], None)
    torch.testing.assert_close(reader.costs(8), alone.costs(8))


def calibrated(network: nn.Module, images: Tensor) -> tuple[nn.Module, Graph, Calibration]:
    network.eval()
    return network, analyse(network, images), Calibration(images, None, SEED)


def test_greedy_removal_finds_the_best_subset_of_a_small_layer() -> None:
    """Neurons 1 and 4 are copies, neuron 3 the sum of others: any of those can go for nothing, but not all of them."""
    network = mlp(8, 3, [6], bias=False, activation="relu", seed=SEED)
    first, second = linear_layers(network)
    with torch.no_grad():
        first.weight[3] = 2 * first.weight[0]
        second.weight[:, 1] *= 0.01
    images = drawn(200, 8)
    order = obs(*calibrated(network, images))
    hidden = functional.relu(images @ first.weight.detach().T)
    for count in (1, 2):
        gone = sorted(order.sort().indices[:count].tolist())
        every = {
            subset: lost(hidden, second.weight.detach(), False, list(subset))
            for subset in combinations(range(6), count)
        }
        assert tuple(gone) == min(every, key=lambda subset: every[subset])
    assert {0, 3}.difference(order.sort().indices[:2].tolist()), "one of two copies stays"


def test_of_two_copies_in_one_block_only_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured_obs, "SHARE", 0.5)
    network = mlp(8, 3, [6], bias=False, seed=SEED)
    first, second = linear_layers(network)
    with torch.no_grad():
        first.weight[3] = first.weight[0]
        second.weight[:, [0, 3]] *= 5
    places = obs(*calibrated(network, drawn(200, 8)))
    assert max(places[0], places[3]) == 5
    assert min(places[0], places[3]) == 0


def test_channels_of_a_residual_stream_cost_the_sum_over_their_consumers() -> None:
    """The stream is read by `widen` (3x3 windows) and by the output: the first to go is the cheapest by brute force."""
    images = drawn(60, 4, 6, 6)
    network, graph, calibration = calibrated(Residual(seed=SEED), images)
    assert isinstance(network, Residual)
    with torch.no_grad():
        stream = network.norm(network.stem(images)).relu()
        inner = network.widen(stream).relu()
        pooled = (stream + network.narrow(inner)).mean((2, 3))
        windows = functional.unfold(stream, 3, padding=1).movedim(1, -1).flatten(0, 1)
        inner_rows = inner.movedim(1, -1).flatten(0, 2)
    read = [  # (rows given, weight as a matrix, columns of each channel)
        (windows, network.widen.weight.detach().flatten(1), 9),
        (pooled, network.output.weight.detach(), 1),
    ]
    expected = torch.zeros(graph.units)
    for given, weight, size in read:
        energy = float((given @ weight.T).var(0, correction=0).sum())
        for channel in range(8):
            gone = list(range(size * channel, size * (channel + 1)))
            expected[channel] += lost(given, weight, True, gone) / energy
    narrow = network.narrow.weight.detach().flatten(1)
    energy = float((inner_rows @ narrow.T).var(0, correction=0).sum())
    for channel in range(12):
        expected[8 + channel] = lost(inner_rows, narrow, True, [channel]) / energy
    order = obs(network, graph, calibration)
    assert int(order.argmin()) == int(expected.argmin())
    readers = structured_obs._readers(network, graph, calibration)
    found = sum(reader.costs(graph.units) for reader in readers)
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found[1:].float(), expected, rtol=1e-3, atol=1e-6)


def test_what_contributes_nothing_goes_first_and_takes_with_it_what_only_it_reads() -> None:
    network = mlp(8, 3, [5, 4], seed=SEED)
    _, second, third = linear_layers(network)
    with torch.no_grad():
        third.weight[:, 2] = 0  # neuron 2 of the second layer is not read
        second.weight[[0, 1, 3], 4] = 0  # neuron 4 of the first is read by that one alone
    order = obs(*calibrated(network, drawn(100, 8)))
    assert order.sort().indices[:2].tolist() == [5 + 2, 4]


def test_a_transposed_convolution_is_refused_in_words() -> None:
    network = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 3))
    )
    with pytest.raises(PrunelabError, match="transposed convolution"):
        obs(*calibrated(network, drawn(4, 1, 6, 6)))
