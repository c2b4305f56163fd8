"""The replaced operators are torch's in everything but the last digit: types, shapes, refusals, gradients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from prunelab.arithmetic import kernels
from prunelab.arithmetic.process import torchs_own_operators

KINDS = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.complex64)


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    ours = kernels.install()
    yield
    if ours:
        kernels.remove()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", [*kernels.NUMPY, "sum", "mean"])
def test_a_function_gives_the_type_and_the_values_that_torchs_own_gives(name: str, kind: torch.dtype) -> None:
    value = torch.linspace(0.1, 0.9, 24).view(4, 6).to(kind).T
    if kind is torch.complex64:
        value = value * (1 + 0.5j)
    function = getattr(torch, name)
    with torchs_own_operators():
        try:
            expected = function(value)
        except RuntimeError:
            expected = None
    if expected is None:
        with pytest.raises(RuntimeError):
            function(value)
        return
    found = function(value)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(3, 5, 2), (40, 200, 50), (1, 7, 1), (0, 4, 3), (4, 0, 3)], ids=str)
def test_a_product_gives_the_type_and_the_values_that_torchs_own_gives(
    shape: tuple[int, int, int], kind: torch.dtype
) -> None:
    rows, length, columns = shape
    left, right = (torch.arange(a * b).view(a, b).remainder(5).to(kind) for a, b in ((rows, length), (length, columns)))
    bias = torch.ones(columns).to(kind)
    with torchs_own_operators():
        expected = (left @ right, torch.addmm(bias, left, right), torch.bmm(left[None], right[None]))
    for found, wanted in zip(
        (left @ right, torch.addmm(bias, left, right), torch.bmm(left[None], right[None])), expected, strict=True
    ):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.ones(3, 4, dtype=torch.float64), torch.ones(4, 5)),
        (torch.ones(3, 4), torch.ones(4, 5, dtype=torch.float64)),
        (torch.ones(3, 4), torch.ones(5, 6)),
        (torch.ones(20, 200), torch.ones(300, 40)),
    ],
)
def test_what_torch_refuses_is_refused(left: Tensor, right: Tensor) -> None:
    with pytest.raises(RuntimeError):
        left @ right


def test_a_matrix_that_is_not_positive_definite_is_refused_and_a_singular_one_has_no_inverse() -> None:
    with pytest.raises(RuntimeError):
        torch.linalg.cholesky(-torch.eye(3))
    with pytest.raises(RuntimeError):
        torch.linalg.inv(torch.zeros(3, 3))


@pytest.mark.parametrize("shape", [(5, 5), (2, 3, 4, 4), (0, 3, 3)])
def test_eigenvectors_are_those_of_torch(shape: tuple[int, ...]) -> None:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = drawn + drawn.mT
    values, vectors = torch.linalg.eigh(matrix)
    torch.testing.assert_close(vectors @ torch.diag_embed(values) @ vectors.mT, matrix)
    torch.testing.assert_close(torch.linalg.eigvalsh(matrix), values)
    with torchs_own_operators():
        torch.testing.assert_close(torch.linalg.eigvalsh(matrix), values)


def test_torchs_own_operators_are_there_while_something_is_timed() -> None:
    assert kernels._libraries
    with torchs_own_operators():
        assert not kernels._libraries
    assert kernels._libraries
