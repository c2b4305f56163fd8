"""Replacements for those of torch's CPU operators whose last digits depend on the machine.

They are registered with torch's dispatcher below autograd, so every network uses them, for its gradients too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.special
import torch
from torch import Tensor

from prunelab.arithmetic.product import product

NUMPY: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "sin", "cos", "tan", "tanh")
} | {"atan": np.arctan, "asin": np.arcsin, "acos": np.arccos, "erf": scipy.special.erf, "erfc": scipy.special.erfc}
"""Functions that torch takes from MKL, whose results differ between Intel's and other processors."""
SUM_BLOCK = 2**15
"""Torch splits sums of more numbers than this between threads."""

_libraries: list[torch.library.Library] = []


def install() -> bool:
    """Register the replacements. Returns False if they were registered already."""
    if _libraries:
        return False
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[\\s\\S]*Overriding a previously registered kernel")  # it is meant to
        for name, kernel in _kernels().items():
            library.impl(name, kernel, "CPU", allow_override=True)  # type: ignore[no-untyped-call]
    _libraries.append(library)
    return True


def remove() -> bool:
    """Restore torch's own operators. Returns False if they were in place already."""
    installed = bool(_libraries)
    while _libraries:
        _libraries.pop()._destroy()  # type: ignore[no-untyped-call]
    return installed


def _kernels() -> dict[str, Callable[..., Any]]:
    return {
        **{name: _function(name, function) for name, function in NUMPY.items()},
        "mm": product,
        "addmm": _addmm,
        "addmv": lambda given, matrix, vector, beta=1, alpha=1: _scaled(
            given, product(matrix, vector[:, None])[:, 0], beta, alpha
        ),
        "mv": lambda matrix, vector: product(matrix, vector[:, None])[:, 0],
        "dot": lambda left, right: product(left[None], right[:, None])[0, 0],
        "bmm": _bmm,
        "baddbmm": lambda given, left, right, beta=1, alpha=1: _scaled(given, _bmm(left, right), beta, alpha),
        "sum.dim_IntList": _sum,
        "mean": lambda value, *, dtype=None: _sum(value, None, dtype=dtype).div_(value.numel()),
        "linalg_cholesky_ex": _cholesky,
        "cholesky_inverse": _cholesky_inverse,
        "cholesky_solve": _cholesky_solve,
        "linalg_solve_triangular": _solve_triangular,
        "linalg_inv_ex": _inverse,
        "_linalg_eigh": _eigh,
    }


def _function(name: str, function: Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    torchs = getattr(torch, name)

    def kernel(value: Tensor) -> Tensor:
        if not value.is_floating_point() and not value.is_complex():
            value = value.to(torch.get_default_dtype())
        if value.dtype not in (torch.float32, torch.float64):
            own: Tensor = torchs(value, out=torch.empty_like(value))  # the out= variant is not replaced
            return own
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.asarray(function(_array(value.contiguous()))))

    return kernel


def _addmm(given: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return _scaled(given, product(left, right), beta, alpha)


def _scaled(given: Tensor, found: Tensor, beta: float, alpha: float) -> Tensor:
    """beta x given + alpha x found; with beta = 0, `given` is ignored, even if it holds NaN."""
    if alpha != 1:
        found = found * alpha
    if beta == 0:
        return found
    return found.add_(given if beta == 1 else given * beta)


def _bmm(left: Tensor, right: Tensor) -> Tensor:
    if not len(left):
        return left.new_empty(0, left.shape[1], right.shape[2])
    return torch.stack([product(a, b) for a, b in zip(left, right, strict=True)])


def _sum(
    value: Tensor, dim: Sequence[int] | None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Sum a whole tensor in blocks of fixed size. Sums along a dimension do not depend on the number of threads."""
    if dtype is not None:
        value = value.to(dtype)
    elif not value.is_floating_point() and not value.is_complex():
        value = value.to(torch.int64)
    whole = not dim or len(dim) == value.dim()
    if whole and value.numel() > SUM_BLOCK and value.is_floating_point():
        shape = [1] * value.dim() if keepdim else []
        value = value.reshape(-1)
        while value.numel() > SUM_BLOCK:
            value = torch.nn.functional.pad(value, (0, -value.numel() % SUM_BLOCK)).view(-1, SUM_BLOCK).sum(1)
        return _reduced(value, [0], False).view(shape)
    return _reduced(value, list(range(value.dim())) if not dim else list(dim), keepdim)


def _reduced(value: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    """Torch's own sum, by its out= variant, which is not replaced."""
    return torch.sum(value, dim, keepdim, out=value.new_empty(0))


def _cholesky(value: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    failures = []

    def factor(matrix: Any) -> Any:
        (potrf,) = scipy.linalg.get_lapack_funcs(("potrf",), (matrix,))
        found, failure = potrf(matrix, lower=not upper, clean=True)
        failures.append(failure)
        return found

    found = _each(factor, value)
    if check_errors and any(failures):
        raise torch.linalg.LinAlgError(  # type: ignore[attr-defined]
            "linalg.cholesky: the factorization could not be completed because the input is not positive-definite "
            f"(the leading minor of order {max(failures)} is not positive-definite)."
        )
    return found, torch.tensor(failures, dtype=torch.int32).view(value.shape[:-2])


def _cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype)
    return _cholesky_solve(identity.expand_as(factor), factor, upper)


def _cholesky_solve(given: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    batch = torch.broadcast_shapes(given.shape[:-2], factor.shape[:-2])  # type: ignore[no-untyped-call]
    return _each(
        lambda b, c: scipy.linalg.cho_solve((c, not upper), b, check_finite=False),
        given.expand(*batch, *given.shape[-2:]),
        factor.expand(*batch, *factor.shape[-2:]),
    )


def _solve_triangular(
    matrix: Tensor, given: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    if not left:
        return _solve_triangular(matrix.mT, given.mT, upper=not upper, unitriangular=unitriangular).mT.contiguous()
    batch = torch.broadcast_shapes(given.shape[:-2], matrix.shape[:-2])  # type: ignore[no-untyped-call]
    return _each(
        lambda b, a: scipy.linalg.solve_triangular(
            a, b, lower=not upper, unit_diagonal=unitriangular, check_finite=False
        ),
        given.expand(*batch, *given.shape[-2:]),
        matrix.expand(*batch, *matrix.shape[-2:]),
    )


def _inverse(value: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """Matrix inverse. A singular matrix raises an error even if `check_errors` is false."""
    try:
        found = _each(np.linalg.inv, value)
    except np.linalg.LinAlgError as error:
        raise torch.linalg.LinAlgError(f"linalg.inv: {error}") from error  # type: ignore[attr-defined]
    return found, torch.zeros(value.shape[:-2], dtype=torch.int32)


def _eigh(value: Tensor, UPLO: Literal["L", "U"] = "L", compute_v: bool = True) -> tuple[Tensor, Tensor]:
    """Eigenvalues [..., n] and eigenvectors [..., n, n] of symmetric matrices."""
    if not value.numel():
        return value.new_empty(value.shape[:-1]), torch.empty_like(value)
    found = _each(lambda matrix: np.vstack(np.linalg.eigh(matrix, UPLO)), value)
    return found[..., 0, :].clone(), found[..., 1:, :].clone() if compute_v else value.new_empty(0)


def _each(function: Callable[..., Any], *values: Tensor) -> Tensor:
    """Apply a function of matrices to each matrix of the batches [..., rows, columns]."""
    batch = values[0].shape[:-2]
    stacks = [_array(value.reshape(-1, *value.shape[-2:])) for value in values]
    found = [np.ascontiguousarray(function(*matrices)) for matrices in zip(*stacks, strict=True)]
    if not found:
        return torch.empty_like(values[0])
    return torch.from_numpy(np.stack(found)).view(*batch, *found[0].shape)


def _array(value: Tensor) -> Any:
    return value.detach().numpy()
