"""What int8 costs and saves: accuracy and bytes of the quantized network."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from prunelab.data.dataset import Dataset
from prunelab.measure.forms import Networks, model_of
from prunelab.measure.quality import Quality, evaluate
from prunelab.runtime.int8 import IMAGES, quantized
from prunelab.runtime.onnx import OnnxNetwork


@dataclass(frozen=True, slots=True)
class Int8:
    """A quantized network: the ONNX file, and how well it does on all test and validation images."""

    content: bytes
    test: Quality
    validation: Quality


_dense: WeakKeyDictionary[nn.Module, dict[int, Int8]] = WeakKeyDictionary()


def int8_of(networks: Networks, dataset: Dataset, images: Tensor) -> tuple[Int8, Int8]:
    """The dense and the pruned network in int8; the first `IMAGES` of `images` (training images) calibrate both.

    The dense one is quantized once for all jobs of a process that share it, and with it seed and images.

    Raises:
        ExportError: if one cannot be quantized.
    """
    images = images[:IMAGES]
    known = _dense.setdefault(networks.dense, {})
    if len(images) not in known:
        known[len(images)] = measured(model_of(networks.dense, networks.shape), dataset, images)
    return known[len(images)], measured(model_of(networks.compacted, networks.shape), dataset, images)


def measured(content: bytes, dataset: Dataset, images: Tensor) -> Int8:
    """A float32 model, quantized on these images and evaluated.

    Raises:
        ExportError: if it cannot be quantized.
    """
    small = quantized(content, images.numpy())
    network = OnnxNetwork(small)
    return Int8(small, evaluate(network, dataset.test), evaluate(network, dataset.validation))
