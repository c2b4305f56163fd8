"""How long an exported file takes for a batch, measured as jobs measure their networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunelab.measure.forms import threads_in_words
from prunelab.measure.latency import DENSE, Latency, latency
from prunelab.network.chain import Operator
from prunelab.runtime.onnx import version

TIMED = (1, 1024)
"""Batch sizes."""
SECONDS = 0.1


def file_times(one: Operator, another: Operator, images: Tensor, sizes: Sequence[int] = TIMED) -> list[Latency]:
    """The times of batches of `images` [n, ...]: `one` and `another` are two instances of the file, one the placebo."""
    return [latency({DENSE: one}, images, size, SECONDS, 1, placebo=another) for size in sizes]


def times_in_words(times: Sequence[Latency], is_onnx: bool) -> str:
    """For each batch size the median and its interquartile range, with what ran it, and how many cores others used."""
    words = []
    for each in times:
        time = each.milliseconds(DENSE)
        text = f"{time.median:.3f} ms (interquartile range {time.iqr:.3f})"
        words.append(f"{text if each.steady([DENSE]) else 'too unsteady to say'} for a batch of {each.batch_size:,}")
    runtime = version() if is_onnx else f"torch {torch.__version__}"
    busy = "".join(f"; others kept {each.load.others:.1f} cores busy" for each in times if not each.quiet and each.load)
    return f"latency: {', '.join(words)}; {runtime}, {threads_in_words()}{busy}"
