"""Which code a stored record may import without the user's consent: reading a store must not run foreign code."""

from __future__ import annotations

import inspect

from torch import nn

from prunelab.config import Data, Job, Model
from prunelab.errors import StoreError
from prunelab.plugins import imported

OWN = "prunelab.network."
TORCHVISION = "torchvision.models."


def refuse_foreign(model: Model) -> None:
    """Accept only prunelab's own networks and torchvision's builders; importing any other path would run its code.

    Raises:
        StoreError: naming the path, and the flag that allows it.
    """
    path = model.network
    if path.startswith(OWN):
        found = imported(path, "model.network")
        if inspect.isclass(found) and issubclass(found, nn.Module) and found.__module__.startswith(OWN):
            return
    if path.startswith(TORCHVISION) and model.options.get("weights") is None:
        from torchvision.models import list_models

        if path.rpartition(".")[2] in list_models():
            found = imported(path, "model.network")
            if inspect.isfunction(found) and found.__module__.startswith(TORCHVISION.rstrip(".")):
                return
    raise _foreign("model.network", path)


def refuse_foreign_loader(data: Data) -> None:
    """Accept only prunelab's own data sets.

    Raises:
        StoreError: as `refuse_foreign`.
    """
    _refuse("data.loader", data.loader, "prunelab.data.")


def refuse_foreign_job(job: Job) -> None:
    """Accept only a job whose code is all prunelab's own, or torchvision's networks.

    Raises:
        StoreError: as `refuse_foreign`.
    """
    refuse_foreign(job.model)
    refuse_foreign_loader(job.data)
    _refuse("recovery.module", job.recovery.module, "prunelab.recovery.")
    if "." in job.method.score:
        _refuse("method.score", job.method.score, "prunelab.pruning.criteria.")


def _refuse(key: str, path: str, own: str) -> None:
    if not path.startswith(own):
        raise _foreign(key, path)


def _foreign(key: str, path: str) -> StoreError:
    return StoreError(
        f"the record names {key}={path}: reading it would run that code. If you trust the code, pass --trust-code"
    )
