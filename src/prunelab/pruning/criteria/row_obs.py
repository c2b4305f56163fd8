"""Remove the weights of each output of a layer one at a time, with exact compensation (OBC).

Let an output have weights w on the inputs S, and let P be the inverse of the Gram matrix of S. Removing j costs
w_j^2 / P_jj, changes the other weights by -w_j P_:j / P_jj, and removes row and column j from P (Hassibi and Stork
1993; output by output, Frantar and Alistarh 2022). This takes O(|S|^3) per output. With more than `EXACT` inputs the
cheapest are therefore removed at once first, ranked by the inverse that all outputs share (as in SparseGPT, Frantar
and Alistarh 2023), and the remaining weights are refitted.
"""

from __future__ import annotations

import torch
from torch import Tensor

EXACT = 160
"""How many weights of an output are removed one at a time."""
NUMBERS = 2**23
"""Limits the outputs processed at once: the size of their matrices together, in numbers."""


def removal_costs(weight: Tensor, products: Tensor) -> Tensor:
    """The cost of each weight at its removal, increasing in the order of removal within each output: [out, in].

    `weight`: float64 [out, in], 0 where a weight is removed already.
    `products`: the Gram matrix of the inputs x with a ridge, [in, in]; for a layer with a bias, that of [x, 1].
    """
    count = weight.shape[1]
    weight = torch.cat([weight, weight.new_zeros(len(weight), len(products) - count)], 1)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(products))
    shared = weight.square() / inverse.diagonal()
    costs = shared.clone()
    biased = len(products) > count
    if biased:
        shared[:, count:] = torch.inf  # the bias stays
    size = min(EXACT + biased, shared.shape[1])
    for rows in torch.split(torch.arange(len(weight), device=weight.device), max(1, NUMBERS // size**2)):
        exact = shared[rows].topk(size, dim=1).indices.sort(dim=1).values
        left = (weight[rows] != 0).gather(1, exact) | (exact >= count)
        matrices = _within(products[exact.unsqueeze(2), exact.unsqueeze(1)], left)
        wanted = (weight[rows] @ products).gather(1, exact) * left
        factor = torch.linalg.cholesky(matrices)
        start = torch.cholesky_solve(wanted.unsqueeze(2), factor).squeeze(2)
        at_once = shared[rows].scatter(1, exact, 0).amax(1)  # the largest cost among those removed at once
        found = _one_by_one(start, torch.cholesky_inverse(factor), left & (exact < count), at_once)
        costs[rows] = costs[rows].scatter(1, exact, found)
    return costs[:, :count]


def _within(matrices: Tensor, left: Tensor) -> Tensor:
    """The matrices [rows, size, size], replaced by the identity in rows and columns not in `left` [rows, size]."""
    both = left.unsqueeze(2) & left.unsqueeze(1)
    return torch.where(both, matrices, torch.eye(left.shape[1], dtype=matrices.dtype, device=matrices.device))


def _one_by_one(weight: Tensor, inverse: Tensor, free: Tensor, least: Tensor) -> Tensor:
    """The cost of each of the `free` weights [rows, size] at its removal, and 0 for the others.

    Costs are made to increase in the order of removal, starting above `least` [rows]. `inverse` [rows, size, size] is
    overwritten.
    """
    costs, free = torch.zeros_like(weight), free.clone()
    rows = torch.arange(len(weight), device=weight.device)
    for _ in range(int(free.sum(1).max()) if len(free) else 0):
        now = (weight.square() / inverse.diagonal(dim1=1, dim2=2)).masked_fill(~free, torch.inf)
        cost, chosen = now.min(1)
        going = free[rows, chosen]
        least = torch.where(going, torch.maximum(cost, least * (1 + 1e-9)), least)
        costs[rows[going], chosen[going]] = least[going]
        column = inverse[rows, :, chosen] * going.unsqueeze(1)
        pivot = inverse[rows, chosen, chosen].unsqueeze(1)
        weight = weight - column * (weight[rows, chosen].unsqueeze(1) / pivot)
        inverse.baddbmm_(column.unsqueeze(2), (column / pivot).unsqueeze(1), alpha=-1)
        gone = rows[going], chosen[going]
        free[gone] = False
        inverse[gone[0], gone[1]] = 0
        inverse[gone[0], :, gone[1]] = 0
        inverse[gone[0], gone[1], gone[1]] = 1
        weight[gone] = 0
    return costs
