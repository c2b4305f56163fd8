"""Functions and classes that a YAML file names by their dotted path."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from prunelab.errors import ConfigError


def imported(path: str, key: str) -> Any:
    """Import what the dotted `path` names; modules in the current folder are found, too.

    Raises:
        ConfigError: naming the config `key`, if it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{key}={path} is refused: it accepts the dotted path of something that Python can import ({error})"
        ) from error
