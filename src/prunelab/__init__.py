"""Compare neural-network pruning methods: train once, prune many ways, measure, and see them side by side.

    result = prunelab.prune(network, images, method="neuron_activation", percentage=50)
    result.network      # smaller, of the same class

Importing this loads neither torch nor what the command line needs.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prunelab.arithmetic import environment

if TYPE_CHECKING:
    from prunelab.config import Method as Method
    from prunelab.errors import NetworkError as NetworkError
    from prunelab.errors import PrunelabError as PrunelabError
    from prunelab.library import Result as Result
    from prunelab.library import analyse as analyse
    from prunelab.library import prune as prune

# Our launcher configs are named as the plugins' schemas are, which is what makes `hydra/launcher=joblib` work.
warnings.filterwarnings("ignore", message=r"[\s\S]*automatic_schema_matching")

# Large tensors in pages of 2 MiB, where Linux has them. With pages of 4 KiB, the kernel of a virtual machine may take
# longer to hand out memory for the outputs of convolutions than it takes to compute them. torch reads it once.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
environment.prepare()  # before torch is loaded, here or by whoever imports this

__version__ = version("prunelab")
__all__ = ["Method", "NetworkError", "PrunelabError", "Result", "__version__", "analyse", "prune"]

_HOMES = {
    "prune": "prunelab.library",
    "analyse": "prunelab.library",
    "Result": "prunelab.library",
    "Method": "prunelab.config",
    "NetworkError": "prunelab.errors",
    "PrunelabError": "prunelab.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prunelab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
