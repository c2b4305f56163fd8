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
    """A quantized network: the ONNX file, and its quality on all test and all validation images."""

    content: bytes
    test: Quality
    validation: Quality


_dense: WeakKeyDictionary[nn.Module, dict[int, Int8]] = WeakKeyDictionary()
"""By unpruned network and number of calibration images: jobs of one process that share these quantize it once."""


def int8_of(networks: Networks, dataset: Dataset, images: Tensor) -> tuple[Int8, Int8]:
    """The unpruned and the pruned network in int8, calibrated on the first `IMAGES` of `images` (training images).

    Raises:
        ExportError: if one cannot be quantized.
    """
    images = images[:IMAGES]
    known = _dense.setdefault(networks.dense, {})
    if len(images) not in known:
        known[len(images)] = _measured(model_of(networks.dense, networks.shape), dataset, images)
    return known[len(images)], _measured(model_of(networks.compacted, networks.shape), dataset, images)


def _measured(content: bytes, dataset: Dataset, images: Tensor) -> Int8:
    small = quantized(content, images.numpy())
    network = OnnxNetwork(small)
    return Int8(small, evaluate(network, dataset.test), evaluate(network, dataset.validation))
