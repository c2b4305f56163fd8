"""Load weights from a file without executing code from it: safetensors, or torch's format with `weights_only`."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from prunelab.errors import ConfigError

WRAPPED = ("state_dict", "model_state_dict", "model", "network")
"""Keys under which checkpoints commonly hold their state dict."""
SHOWN = 3
"""How many names an error message lists."""


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Load the weights of `model.checkpoint` into the network.

    Raises:
        ConfigError: if the file cannot be read without executing code, or its names or shapes do not match.
    """
    state = _unprefixed(_read(path), network)
    expected = network.state_dict()
    missing, extra = [name for name in expected if name not in state], [name for name in state if name not in expected]
    other = [
        f"{name} is {list(state[name].shape)}, not {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    complaints = [
        f"{what} {', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"
        for what, names in (("missing:", missing), ("unexpected:", extra), ("of another shape:", other))
        if names
    ]
    if complaints:
        raise ConfigError(f"model.checkpoint={path} is refused: it does not fit the network: {'; '.join(complaints)}")
    network.load_state_dict(state)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; computed once per process while the file does not change.

    Raises:
        ConfigError: if it is not a regular file (a device, for example, which has no end).
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"model.checkpoint={path} is refused: it is not a file")
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    accepted = "it accepts a state dict in .safetensors, or in .pt, .pth or .ckpt that holds nothing but tensors"
    if path.exists() and not path.is_file():
        raise ConfigError(f"model.checkpoint={path} is refused: it is not a file; {accepted}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, EOFError) as error:
        raise ConfigError(f"model.checkpoint={path} cannot be read: {error}; {accepted}") from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, LookupError, AttributeError) as error:
        raise ConfigError(
            f"model.checkpoint={path} is refused: it is damaged or holds code, which is not executed; {accepted}. "
            "Save it again with torch.save(network.state_dict(), ...)"
        ) from error
    for key in WRAPPED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ConfigError(f"model.checkpoint={path} is refused: it holds no state dict; {accepted}")
    return {str(name): value for name, value in loaded.items()}


def _unprefixed(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state dict without a wrapper's prefix (`module.` of DataParallel, `network.` of a Lightning module)."""
    names = set(network.state_dict())
    for prefix in {name.partition(".")[0] + "." for name in state}:
        shorter = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if not names & set(state) and names & set(shorter):
            return shorter
    return state
