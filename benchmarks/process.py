"""Python in a process of its own, as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def python(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run it without showing what it prints.

    Raises:
        CalledProcessError: if it fails.
    """
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
