"""The best epoch's weights, back in a network."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import torch
from torch import nn

PREFIX = "network."
"""What Lightning's names of a network's weights begin with: the attribute of the module that trains it."""


def load_weights(network: nn.Module, checkpoint: Path | BinaryIO) -> None:
    """Put the weights of a checkpoint that `fit` wrote into `network`, and the network into evaluation mode.

    Raises:
        Exception: of many kinds, if the file is damaged or of another network; nothing in it is ever executed.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict(
        {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    )
    network.eval()


def save_weights(network: nn.Module, folder: Path) -> Path:
    """A checkpoint of the network as it is, in the form of `fit`'s, in `folder`; returns its path."""
    path = folder / "best.ckpt"
    torch.save({"epoch": 0, "state_dict": {PREFIX + name: value for name, value in network.state_dict().items()}}, path)
    return path
