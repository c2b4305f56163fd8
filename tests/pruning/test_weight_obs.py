"""OBC against brute force, and what an output is worth to the layers that read it."""

from __future__ import annotations

import pytest
import torch
from tests.small import Residual, linear_layers, mlp
from torch import Tensor

from prunelab.graph.analyse import analyse
from prunelab.pruning import grams
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria import downstream, row_obs
from prunelab.pruning.criteria.row_obs import removal_costs


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def optimum(products: Tensor, weight: Tensor, gone: list[int]) -> float:
    """min (v - w)' H (v - w) over v that are zero at `gone`."""
    stays = [place for place in range(len(weight)) if place not in gone]
    fitted = torch.zeros_like(weight)
    if stays:
        fitted[stays] = torch.linalg.solve(products[stays][:, stays], (products @ weight)[stays])
    return float((fitted - weight) @ products @ (fitted - weight))


@pytest.fixture
def products() -> Tensor:
    rows = drawn(50, 7) @ drawn(7, 7, seed=1)
    return rows.T @ rows / 50 + 0.01 * torch.eye(7, dtype=torch.float64)


def test_each_weight_to_go_costs_what_the_exact_optimum_without_it_loses_more(products: Tensor) -> None:
    weight = drawn(5, 7, seed=2)
    costs = removal_costs(weight, products)
    for row, cost in zip(weight, costs, strict=True):
        gone: list[int] = []
        lost = highest = 0.0
        for _ in range(7):
            more = {place: optimum(products, row, [*gone, place]) - lost for place in range(7) if place not in gone}
            best = min(more, key=lambda place: more[place])
            highest = max(highest, more[best])
            assert float(cost[best]) == pytest.approx(highest, rel=1e-6)
            lost += more[best]
            gone.append(best)
        assert cost.argsort().tolist() == gone


def test_what_is_removed_already_costs_nothing_and_does_not_make_up_for_anything(products: Tensor) -> None:
    weight = drawn(1, 7, seed=2)
    weight[0, [1, 4]] = 0
    costs, kept = removal_costs(weight, products), [0, 2, 3, 5, 6]
    assert costs[0, [1, 4]].tolist() == [0, 0]
    torch.testing.assert_close(costs[:, kept], removal_costs(weight[:, kept], products[kept][:, kept]))


def test_a_bias_makes_up_for_weights_but_never_goes() -> None:
    rows = torch.cat([drawn(50, 4) + 3, torch.ones(50, 1, dtype=torch.float64)], 1)
    products = rows.T @ rows / 50 + 0.01 * torch.eye(5, dtype=torch.float64)
    weight = drawn(3, 4, seed=2)
    costs = removal_costs(weight, products)
    assert costs.shape == (3, 4)
    for row, cost in zip(weight, costs, strict=True):
        whole = torch.cat([row, row.new_zeros(1)])
        assert float(cost.min()) == pytest.approx(
            min(optimum(products, whole, [place]) for place in range(4)), rel=1e-6
        )


def test_weights_beyond_the_exact_ones_go_first_and_the_rest_is_fitted_anew(
    products: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_obs, "EXACT", 3)
    weight = drawn(1, 7, seed=2)
    costs = removal_costs(weight, products)[0]
    order = costs.argsort().tolist()
    shared = weight[0].square() / torch.linalg.inv(products).diagonal()
    assert order[:4] == shared.argsort()[:4].tolist()
    before = optimum(products, weight[0], order[:4])
    first = optimum(products, weight[0], order[:5]) - before
    assert float(costs[order[4]]) == pytest.approx(max(first, float(costs[order[3]])), rel=1e-6)


def test_an_output_is_worth_what_its_consumers_make_of_it() -> None:
    """Three outputs; the consumer reads the first, a hundredth of the second, and not the third."""
    network = mlp(8, 4, [3], bias=False).eval()
    first, second = linear_layers(network)
    with torch.no_grad():
        first.weight[1:] = first.weight[0]
        second.weight[:, 1], second.weight[:, 2] = second.weight[:, 0] / 10, 0
    images = drawn(100, 8).float()
    graph, given = analyse(network, images), Calibration(images, None, 0)
    for criterion in (downstream.obs_downstream, downstream.obc):
        saliency = criterion(network, graph, given)[
            "0.weight" if "0.weight" in graph.shapes else graph.prunable[0].weight
        ]
        torch.testing.assert_close(saliency[1], saliency[0] / 100, rtol=1e-4, atol=0)
        assert not saliency[2].any()
    hidden = (images @ first.weight.detach().T).double()
    share = hidden.relu()[:, 0].square().mean() * second.weight[:, 0].double().square().sum()
    share /= (hidden.relu() @ second.weight.detach().double().T).square().mean(0).sum()
    gram = (images.double().T @ images.double()) / 100
    gram.diagonal().add_(grams.RIDGE * gram.diagonal().mean())
    plain = first.weight[0].detach().double().square() / torch.linalg.inv(gram).diagonal()
    expected = plain * share / hidden[:, 0].square().mean()
    found = downstream.obs_downstream(network, graph, given)[graph.prunable[0].weight][0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_outputs_tied_by_a_residual_connection_are_worth_the_sum_over_their_consumers() -> None:
    network = Residual(seed=1).eval()
    images = drawn(40, 4, 6, 6).float()
    graph, given = analyse(network, images), Calibration(images, None, 0)
    whole = downstream.obs_downstream(network, graph, given)
    with torch.no_grad():
        network.output.weight.zero_()
    inside = downstream.obs_downstream(network, graph, given)
    assert bool((inside["stem.weight"] < whole["stem.weight"]).any()), "the output reads the stream, too"
    assert bool((inside["stem.weight"] > 0).any()), "and so does the branch"
    assert {name: value.shape for name, value in whole.items()} == {
        layer.weight: graph.shapes[layer.weight] for layer in graph.prunable
    }
