"""`prunelab-ui` as a process on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
from tests.server import free_port

COMMAND = (sys.executable, "-c", "from prunelab.cli.ui import main; main()")
SILENCE = 90.0


@dataclass
class Ui:
    """A running `prunelab-ui`, and what it has said."""

    process: subprocess.Popen[bytes]
    terminal: int
    port: int
    said: bytes = field(default=b"")

    def until(self, text: str) -> str:
        """What it said, up to the line that begins so."""
        while not (found := re.search(rf"^{text}[^\n]*\n", self.text, re.MULTILINE)):
            self._read()
        return found.group().removeprefix(text).strip()

    def rest(self) -> str:
        """All it said until it ended."""
        while self._read(ended_is_fine=True):
            pass
        self.process.wait(30)
        return self.text

    @property
    def text(self) -> str:
        return self.said.decode().replace("\r\n", "\n")

    def _read(self, ended_is_fine: bool = False) -> bool:
        silent = not select.select([self.terminal], [], [], SILENCE)[0]
        assert not silent, f"nothing more for {SILENCE:.0f} s after: {self.text}"
        try:
            self.said += os.read(self.terminal, 4096)
        except OSError:  # how a terminal says that nobody writes to it any more
            assert ended_is_fine, self.text
            return False
        return True


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Ui]:
    """`prunelab-ui` on a terminal of its own; it and its server are gone afterwards, whatever happened."""
    port = free_port()
    telemetry = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    inherited = {name: value for name, value in os.environ.items() if name not in telemetry}
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, f"--port={port}", *arguments],
        cwd=folder,
        env={**inherited, **environment},
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Ui(process, terminal, port)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            for left in servers(port):
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            os.close(terminal)


def servers(port: int) -> list[psutil.Process]:
    """MLflow's processes that serve a port."""
    running = [(process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [process for process, words in running if ("--port", str(port)) in pairwise(words)]
