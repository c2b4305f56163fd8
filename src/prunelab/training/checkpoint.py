"""Checkpoints: save and load the weights of the best epoch."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import torch
from torch import nn

PREFIX = "network."
"""Prefix of the weights' names in a Lightning checkpoint: the attribute of the module that holds the network."""


def load_weights(network: nn.Module, checkpoint: Path | BinaryIO) -> None:
    """Load a checkpoint written by `fit` or `save_weights` into `network`, and put it into evaluation mode.

    No code from the file is executed.

    Raises:
        Exception: of many types, if the file is damaged or belongs to another network.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict(
        {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    )
    network.eval()


def save_weights(network: nn.Module, folder: Path) -> Path:
    """Save the network as it is, in the format of `fit`, in `folder`; returns the file's path."""
    path = folder / "best.ckpt"
    torch.save({"epoch": 0, "state_dict": {PREFIX + name: value for name, value in network.state_dict().items()}}, path)
    return path
