"""How long it takes until something happens: the help, the configuration, a sweep's first job."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.process import python
from benchmarks.ratio import Ratio, compare

HYDRA = """
import hydra
@hydra.main(version_base="1.3", config_path={conf!r}, config_name="config")
def main(config): pass
main()
"""
SMALL = ("data=digits", "model=mlp_small", "training.epochs=1", "measure=off", "trainer.progress=false")


def measure() -> list[Ratio]:
    """Each in a process of its own."""
    conf = str(Path.cwd() / "conf")
    imports = partial(python, "-c", "import torch, pytorch_lightning, mlflow")
    with tempfile.TemporaryDirectory() as folder:
        first = _first_job(Path(folder))
        first()  # creates the store and trains
        beyond = compare("until a sweep's first job / importing torch, lightning, mlflow", first, imports, None, 3)
    return [
        compare(
            "prunelab --help / python -c pass",
            partial(python, "-m", "prunelab", "--help"),
            partial(python, "-c", "pass"),
            target=None,
            repeats=3,
            seconds=1.0,
        ),
        compare(
            "prunelab --cfg job / a bare Hydra program's",
            partial(python, "-m", "prunelab", "--cfg", "job"),
            partial(python, "-c", HYDRA.format(conf=conf), "--cfg", "job"),
            target=None,
            repeats=3,
            seconds=1.0,
        ),
        Ratio(beyond.name, beyond.ours, beyond.theirs, None, beyond.repeats, beyond.theirs + 1.0),
    ]


def _first_job(folder: Path) -> Callable[[], object]:
    """What starts a sweep and ends with the first line that reports a job."""

    def until() -> None:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "prunelab", "-m", *SMALL, f"paths.root={folder}", "percentage=0,50"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[1/2]"):
                break
        process.kill()
        process.wait()
        time.sleep(0.2)

    return until
