"""Writing a pruned network as a deployable file, and seeing that the file computes the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from prunelab import names
from prunelab.config import Data
from prunelab.data.dataset import EVALUATION_BATCH, Dataset, dataset_of
from prunelab.deploy.onnx import onnx_bytes, onnx_runner
from prunelab.errors import DataError, ExportError, StoreError
from prunelab.measure.latency import DENSE, latency
from prunelab.network.saved import Card, dense_bytes, read_network
from prunelab.network.trusted import refuse_foreign_loader
from prunelab.tracking.find import find_job
from prunelab.tracking.recorded import recorded
from prunelab.tracking.store import Store

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
TOLERANCE = 1e-4
"""How far a logit of the file may be from the network's, absolute and relative: another order of float32 sums."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: a run, as what, into which file (None: a name from the run), replaced if it is there;
    whether the code that the record names is trusted.
    """

    run: str
    form: str
    output: Path | None
    force: bool
    trust: bool


def export(store: Store, data: Path, wanted: Wanted) -> None:
    """Write the file, after it was checked: on random images against the network, on the test images (their data set
    below the folder `data`) for its accuracy.

    Raises:
        PrunelabError: for a run that has no network, a file that cannot be written or does not compute the same. Then
            nothing is left behind.
    """
    run = find_job(store, wanted.run)
    network, card = read_network(store.read(run.info.run_id, names.NETWORK_FILE), wanted.trust)
    path = wanted.output or Path(f"{run.info.run_name}.{wanted.form}")
    _refuse(path, wanted.force)
    is_onnx = wanted.form == "onnx"
    content = onnx_bytes(network, card) if is_onnx else dense_bytes(network, card)
    logits = onnx_runner(content) if is_onnx else _runner(read_network(content, wanted.trust)[0])
    farthest = _check(logits, network, card)
    _write(path, content)
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{path}: {len(content):,} bytes, {'x'.join(map(str, card.shape))} images to {len(card.classes)} classes; "
        f"its logits are within {farthest:.1e} of the network's"
    )
    try:
        found = Data.model_validate({**recorded(store, run).config["data"], "folder": data})
        if not wanted.trust:
            refuse_foreign_loader(found)
        dataset = dataset_of(found)
    except (DataError, StoreError) as error:
        console.print(f"its accuracy was not measured: {error}")
        return
    console.print(
        f"test accuracy {_accuracy(logits, dataset):.4f} on {len(dataset.test):,} images "
        f"(recorded: {run.data.metrics[names.TEST_ACCURACY]:.4f})"
    )
    console.print(_speed(logits, dataset))


def _refuse(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise ExportError(f"{path} is there already: --force replaces it, --output names another file")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ExportError(f"{path} cannot be written: it takes a file in a folder that is there and writable")


def _check(logits: Logits, network: nn.Module, card: Card) -> float:
    """The largest difference between a logit of the file and of the network, on random images."""
    images = torch.rand(64, *card.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(images).numpy()
    found = logits(images.numpy())
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise ExportError("the file does not compute what the network computes: nothing was written")
    return float(np.abs(found - expected).max())


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error}") from error


def _accuracy(logits: Logits, dataset: Dataset) -> float:
    right = sum(
        int((logits(images.numpy()).argmax(1) == labels.numpy()).sum())
        for images, labels in dataset.test.batches(EVALUATION_BATCH)
    )
    return right / len(dataset.test)


def _speed(logits: Logits, dataset: Dataset) -> str:
    times = {}
    for size in (1, 1024):
        found = latency(
            {DENSE: lambda images: torch.from_numpy(logits(images.numpy()))}, dataset.test.take(size), size, 0.2, 1
        )
        times[size] = found.milliseconds[DENSE]
    return "latency: " + ", ".join(f"{time:.3f} ms for a batch of {size:,}" for size, time in times.items())


def _runner(network: nn.Module) -> Logits:
    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            logits: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return logits

    return run
