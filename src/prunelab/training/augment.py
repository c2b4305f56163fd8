"""Data augmentation: random shifts and flips of training images, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

OWN_STREAM = 0x9E3779B9
"""Added to the seed, so that augmentation and the order of the images have different random streams."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Shift each image by up to `shift` pixels in each direction; with `flip`, mirror it with probability 1/2.

    `black`: the value of 0 after normalisation, per channel. It fills the edges, since images are normalised already.
    """

    shift: int = 0
    flip: bool = False
    black: Sequence[float] = (0.0,)

    def __bool__(self) -> bool:
        return self.shift > 0 or self.flip

    def generator(self, seed: int) -> torch.Generator:
        """The random generator of a training with this seed."""
        return torch.Generator().manual_seed((seed + OWN_STREAM) % 2**32)

    def __call__(self, images: Tensor, draws: torch.Generator) -> Tensor:
        """Augmented copies of `images`, float32 [n, channels, rows, columns]; each image is drawn independently."""
        if self.flip:
            mirrored = torch.rand(len(images), generator=draws) < 0.5
            images = torch.where(mirrored.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)
        return self._moved(images, draws) if self.shift else images

    def _moved(self, images: Tensor, draws: torch.Generator) -> Tensor:
        """Shift the images: each one becomes a random window of itself with a margin of `black`."""
        count, channels, rows, columns = images.shape
        margin = self.shift
        wide = torch.tensor(self.black, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
        wide = wide.expand(count, channels, rows + 2 * margin, columns + 2 * margin).clone()
        wide[:, :, margin : margin + rows, margin : margin + columns] = images
        windows = wide.unfold(2, rows, 1).unfold(3, columns, 1)  # [n, channels, down, right, rows, columns]
        down, right = torch.randint(0, 2 * margin + 1, (2, count), generator=draws).to(images.device)
        return windows[torch.arange(count, device=images.device), :, down, right]
