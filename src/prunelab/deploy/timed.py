"""How long an exported file takes for a batch, measured as jobs measure theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunelab.measure.latency import DENSE, Latency, OnArrays, latency
from prunelab.runtime.onnx import version

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
TIMED = (1, 1024)
"""Batch sizes whose time is said."""
SECONDS = 0.1


def file_times(one: Logits, another: Logits, images: Tensor, sizes: Sequence[int] = TIMED) -> list[Latency]:
    """Of batches of `images` [n, ...]: `one` and `another` are two instances of the file, the second a placebo."""
    own, placebo = OnArrays(one), OnArrays(another)
    return [latency({DENSE: own}, images, size, SECONDS, 1, placebo=placebo) for size in sizes]


def times_in_words(times: Sequence[Latency], is_onnx: bool) -> str:
    """The median of each batch size and its interquartile range, with what ran it, and who disturbed it."""
    words = []
    for each in times:
        time = each.milliseconds(DENSE)
        text = f"{time.median:.3f} ms (interquartile range {time.iqr:.3f})"
        words.append(f"{text if each.steady([DENSE]) else 'too unsteady to say'} for a batch of {each.batch_size:,}")
    runtime = version() if is_onnx else f"torch {torch.__version__}"
    threads = torch.get_num_threads()
    busy = "".join(f"; others kept {each.load.others:.1f} cores busy" for each in times if not each.quiet and each.load)
    return f"latency: {', '.join(words)}; {runtime}, {threads} thread{'' if threads == 1 else 's'}{busy}"
