"""A network that calls one BatchNorm twice."""

from __future__ import annotations

import torch
from torch import nn


class Twice(nn.Module):
    """Takes digits, or any image of 64 values."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.first, self.second = nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 8)
        self.norm, self.output = nn.BatchNorm1d(8), nn.Linear(8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.output(self.norm(self.second(self.norm(self.first(self.flatten(images))).relu())).relu())
