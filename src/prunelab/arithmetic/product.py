"""Matrix products that do not depend on the processor's maker or the number of threads.

MKL has kernels of its own for AMD's processors. With `MKL_CBWR=AVX2,STRICT` both kinds add up the products of a float32
element one after another, fused, in blocks of the contracted dimension, so that their results agree bit by bit, but for
three things, seen with MKL 2024 (torch 2.15) by making it take Intel's kernels on an AMD processor
(tests/arithmetic/test_vendors.py):

- Of results with fewer than 4 rows or 12 columns, which have kernels of their own. On AMD each thread takes a part of
  the columns: 12 for each.
- Where the contracted dimension has 193 to 384 elements, they divide it at different places: here it is halved.
- float64 differs throughout: here it is OpenBLAS's, with one kernel for both makers, on one thread.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS, COLUMNS = 4, 12
HALVED = range(193, 385)
"""Lengths of the contracted dimension at which the two kinds of kernels begin to take more than one block."""


def product(left: Tensor, right: Tensor) -> Tensor:
    """`left` [rows, k] times `right` [k, columns], of one type, both on the CPU."""
    if left.dtype == right.dtype == torch.float64:
        return torch.from_numpy(left.detach().numpy() @ right.detach().numpy())
    if left.dtype != torch.float32 or 0 in (*left.shape, *right.shape):
        return _multiply(left, right)
    rows, columns = len(left), right.shape[1]
    enough = COLUMNS * torch.get_num_threads()
    if rows >= ROWS and columns >= enough:
        return _halved(left, right)
    if columns >= ROWS and rows >= enough:
        return _halved(right.T, left.T).T.contiguous()
    if columns > rows:
        return _padded(left, right, enough)[:rows, :columns].contiguous()
    return _padded(right.T, left.T, enough)[:columns, :rows].T.contiguous()


def _padded(left: Tensor, right: Tensor, columns: int) -> Tensor:
    """Their product with rows and columns of zeros added."""
    left = torch.nn.functional.pad(left, (0, 0, 0, max(0, ROWS - len(left))))
    right = torch.nn.functional.pad(right, (0, max(0, columns - right.shape[1])))
    return _halved(left, right)


def _halved(left: Tensor, right: Tensor) -> Tensor:
    length = left.shape[1]
    if length not in HALVED:
        return _multiply(left, right)
    half = -(-length // 8) * 4
    found = _multiply(left[:, :half], right[:half])
    return torch.addmm(found, left[:, half:], right[half:], out=found)


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """MKL's product: the variant with a given output, which is not replaced."""
    return torch.mm(left, right, out=left.new_empty(len(left), right.shape[1]))
