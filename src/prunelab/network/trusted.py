"""Which networks a record may name without anyone's word for it."""

from __future__ import annotations

import inspect

from torch import nn

from prunelab.config import Model
from prunelab.errors import StoreError
from prunelab.plugins import imported

OWN = "prunelab.network."
TORCHVISION = "torchvision.models."


def refuse_foreign(model: Model) -> None:
    """Let through prunelab's own networks and torchvision's builders; to follow any other path would run its code.

    Raises:
        StoreError: naming the path and the flag that follows it all the same.
    """
    path = model.network
    if path.startswith(OWN):
        found = imported(path, "model.network")
        if inspect.isclass(found) and issubclass(found, nn.Module) and found.__module__.startswith(OWN):
            return
    if path.startswith(TORCHVISION) and model.arguments.get("weights") is None:
        from torchvision.models import list_models

        if path.rpartition(".")[2] in list_models():
            found = imported(path, "model.network")
            if inspect.isfunction(found) and found.__module__.startswith(TORCHVISION.rstrip(".")):
                return
    raise StoreError(
        f"its network is {path}: to read it, that code would be run. If you trust it, say so with --trust-code"
    )
