"""Accuracy and loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from prunelab.data.dataset import EVALUATION_BATCH, Split
from prunelab.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Quality:
    """`accuracy`, a fraction in [0, 1]; `loss`, the mean cross-entropy in nats."""

    accuracy: float
    loss: float


@torch.inference_mode()
def evaluate(network: nn.Module, split: Split) -> Quality:
    """How well the network classifies the images of a split.

    Raises:
        TrainingError: if the loss is not a finite number: the network is broken, and that is not a result.
    """
    network.eval()
    correct, loss = 0, 0.0
    for images, labels in split.batches(EVALUATION_BATCH):
        logits = network(images)
        correct += int((logits.argmax(1) == labels).sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
    if not math.isfinite(loss):
        raise TrainingError(f"the loss on {len(split)} images is {loss}: the network gives no usable numbers")
    return Quality(correct / len(split), loss / len(split))
