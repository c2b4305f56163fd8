"""Matrix products that do not depend on the processor's vendor or the number of threads.

MKL has separate kernels for AMD processors. With `MKL_CBWR=AVX2,STRICT` both sets of kernels sum the products of a
float32 element in sequence, with fused multiply-adds, in blocks of the contracted dimension. Their results agree bit by
bit, with three exceptions, found with MKL 2024 (torch 2.15) by forcing Intel's kernels on an AMD processor
(tests/arithmetic/test_vendors.py):

- Results with fewer than 4 rows or 12 columns use special kernels; on AMD that is 12 columns per thread. Such products
  are padded with zeros or transposed.
- If the contracted dimension has 193 to 384 elements, the kernels split it at different places. It is halved here.
- float64 products differ in general. They are computed by OpenBLAS, which has one kernel for both vendors, on one
  thread.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS, COLUMNS = 4, 12
"""Smallest result without special kernels; the columns are per thread."""
HALVED = range(193, 385)
"""Lengths of the contracted dimension that the two sets of kernels split differently."""


def product(left: Tensor, right: Tensor) -> Tensor:
    """`left` [rows, k] x `right` [k, columns]; both of the same type, on the CPU."""
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
    """Their product, padded with zeros to at least `ROWS` rows and `columns` columns."""
    left = torch.nn.functional.pad(left, (0, 0, 0, max(0, ROWS - len(left))))
    right = torch.nn.functional.pad(right, (0, max(0, columns - right.shape[1])))
    return _halved(left, right)


def _halved(left: Tensor, right: Tensor) -> Tensor:
    """Their product, in two halves of the contracted dimension if its length is in `HALVED`."""
    length = left.shape[1]
    if length not in HALVED:
        return _multiply(left, right)
    half = -(-length // 8) * 4
    found = _multiply(left[:, :half], right[:half])
    return torch.addmm(found, left[:, half:], right[half:], out=found)


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """MKL's product, by the out= variant, which is not replaced."""
    return torch.mm(left, right, out=left.new_empty(len(left), right.shape[1]))
