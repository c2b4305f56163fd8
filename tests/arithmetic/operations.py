"""A digest of what each operation computes in this process: `python -m tests.arithmetic.operations THREADS`."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Iterator

import prunelab as prunelab  # before torch

# isort: split
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.arithmetic.environment import effective
from prunelab.arithmetic.process import ready
from prunelab.training.muon import Muon

SHAPES = 400
"""Matrix products of random shapes."""


def digest(*tensors: Tensor) -> str:
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)).hexdigest()[:12]


def products() -> Iterator[tuple[str, str]]:
    """Products of every kind of shape: narrow, odd, of lengths around those at which kernels begin new blocks."""
    choose = random.Random(0)
    for number in range(SHAPES):
        spans = [(1, 40), (1, 300), (1, 1100), (150, 400)]
        rows, columns, length = (choose.randint(*choose.choice(spans)) for _ in range(3))
        generator = torch.Generator().manual_seed(number)
        kind = torch.float64 if number % 8 == 0 else torch.float32
        left = torch.randn(rows, length, generator=generator, dtype=kind)
        right = torch.randn(columns, length, generator=generator, dtype=kind).T
        if number % 2:
            left, right = right.T.contiguous().T.T, left.T
        yield f"product {number} {list(left.shape)} x {list(right.shape)} {kind}", digest(left @ right)


def operations() -> Iterator[tuple[str, str]]:
    """Single operations with their gradients, factorizations, optimisers, and a training."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(512, 300, generator=generator)
    positive = rows.abs() + 0.1
    vector = torch.randn(300, generator=generator)
    functions: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
        **{name: (getattr(torch, name), (rows,)) for name in ("relu", "tanh", "exp", "erf", "sin", "atan", "expm1")},
        **{name: (getattr(torch, name), (positive,)) for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")},
        "gelu": (F.gelu, (rows,)),
        "softmax": (lambda x: x.softmax(1), (rows,)),
        "cross_entropy": (lambda x: F.cross_entropy(x, torch.arange(512) % 300), (rows,)),
        "linear": (F.linear, (rows, torch.randn(10, 300, generator=generator), torch.randn(10, generator=generator))),
        "batched": (torch.bmm, (rows.view(8, 64, 300), rows.view(8, 64, 300).mT)),
        "vector": (torch.mv, (rows, vector)),
        "dot": (torch.dot, (vector, vector.flip(0))),
        "sum": (torch.sum, (rows,)),
        "mean": (torch.mean, (rows,)),
        "columns": (lambda x: x.sum(0), (rows,)),
        "norm": (lambda x: x.norm(dim=1), (rows,)),
        "deviation": (lambda x: x.std(0), (rows,)),
    }
    for name, (function, given) in functions.items():
        inputs = [value.clone().requires_grad_() for value in given]
        found = function(*inputs)
        found.backward(torch.linspace(-1, 1, found.numel()).view(found.shape))
        yield name, digest(found, *(value.grad for value in inputs if value.grad is not None))
    gram = rows.double().T @ rows.double() + torch.eye(300).double()
    factor = torch.linalg.cholesky(gram)
    yield "cholesky", digest(gram, factor, torch.cholesky_inverse(factor), torch.cholesky_solve(gram[:, :7], factor))
    blocks = gram.view(300, 300)[:288, :288].unfold(0, 16, 16).unfold(1, 16, 16).diagonal().movedim(-1, 0).contiguous()
    yield "batches", digest(torch.cholesky_inverse(torch.linalg.cholesky(blocks)), torch.linalg.inv(blocks))
    yield "triangular", digest(torch.linalg.solve_triangular(factor, gram[:, :7], upper=False), torch.linalg.inv(gram))
    yield "eigenvectors", digest(*torch.linalg.eigh(gram))
    for optimiser in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, Muon):
        weight = nn.Parameter(rows.clone())
        fused = {} if optimiser is Muon else {"fused": True}
        steps = optimiser([weight], lr=0.01, **fused)  # type: ignore[call-arg]
        for _ in range(3):
            weight.grad = rows.flip(0)
            steps.step()
        yield optimiser.__name__, digest(weight)
    yield "training", _trained()


def _trained() -> str:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(784, 250), nn.ReLU(), nn.Linear(250, 200), nn.ReLU(), nn.Linear(200, 10))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    images, labels = torch.rand(2000, 784), torch.randint(0, 10, (2000,))
    for first in range(0, 2000, 100):
        optimiser.zero_grad()
        F.cross_entropy(network(images[first : first + 100]), labels[first : first + 100]).backward()
        optimiser.step()
    return digest(*network.parameters())


if __name__ == "__main__":
    ready(effective())
    torch.set_num_threads(int(sys.argv[1]))
    print(f"arithmetic;{effective().value}")
    for name, found in [*operations(), *products()]:
        print(f"{name};{found}")
