"""Loss and accuracy of an epoch, summed on the device, so that no step waits for a value from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Tally:
    """Sums over batches. torchmetrics does the same, but takes a third of a millisecond a step."""

    loss: Tensor | float = 0.0
    correct: Tensor | float = 0.0
    images: int = 0

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean `loss`, `logits` [n, classes] and `labels` [n]."""
        count = len(labels)
        self.loss = self.loss + loss.detach() * count
        self.correct = self.correct + (logits.detach().argmax(1) == labels).sum()
        self.images += count

    def means(self) -> dict[str, Tensor]:
        """Mean `loss` and `accuracy` of all batches since the last call; resets the sums."""
        sums = {"loss": self.loss, "accuracy": self.correct}
        means = {name: torch.as_tensor(value) / self.images for name, value in sums.items()}
        self.loss, self.correct, self.images = 0.0, 0.0, 0
        return means
