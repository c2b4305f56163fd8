"""A pruned network as files to deploy: written under other names, checked against the network, then given theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from prunelab import names
from prunelab.config import Data
from prunelab.data.dataset import EVALUATION_BATCH, Dataset, dataset_of
from prunelab.deploy.facts import Facts, Measured, facts_of, model_card
from prunelab.deploy.program import function_source
from prunelab.deploy.stored import stored_network
from prunelab.deploy.timed import TIMED, Logits, file_times, times_in_words
from prunelab.deploy.written import refuse, write_together
from prunelab.errors import ConfigError, DataError, ExportError, StoreError, spelled_out
from prunelab.network.saved import Card, dense_bytes, read_network, sparse_bytes, with_metadata
from prunelab.network.trusted import refuse_foreign_loader
from prunelab.pruning.calibration import calibration
from prunelab.runtime.int8 import IMAGES, quantized
from prunelab.runtime.onnx import described, onnx_bytes, onnx_runner, require
from prunelab.runtime.processor import about_int8
from prunelab.tracking.find import described as described_run
from prunelab.tracking.find import find_job
from prunelab.tracking.reproducible import reproducible
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

TOLERANCE = 1e-4
"""How far a logit of the file may be from the network's, absolute and relative: another order of float32 sums."""
BEGIN, END = "# The network.", "# End of the network."
"""What of the script for .safetensors files is replaced by the network's own source."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported: a run, as what (`int8`: quantized; `dense`: never sparse), into which file (None: a name
    from the run), replaced if it is there; whether the code that the record names is trusted.
    """

    run: str
    form: str
    output: Path | None
    force: bool
    trust: bool
    int8: bool = False
    dense: bool = False


def export(store: Store, data: Path, wanted: Wanted) -> None:
    """Write the file, a script that uses it without prunelab and a model card, and say what the file is worth.

    Before that the file is checked: on random images against the network (in int8 there is nothing to agree with but
    its accuracy), on all test images of the data set below the folder `data`.

    Raises:
        PrunelabError: for a run that has no network, a file that cannot be written or does not compute the same. Then
            nothing is left behind.
    """
    is_onnx = wanted.form == "onnx"
    if is_onnx:
        require()
    run = find_job(store, wanted.run)
    path = wanted.output or Path(
        f"{spelled_out(run.name).replace('/', '_')}{'-int8' if wanted.int8 else ''}.{wanted.form}"
    )
    paths = [path, Path(f"{path}.py"), Path(f"{path}.md")]
    refuse(paths, wanted.force)
    network, card = stored_network(store, run, wanted.trust)
    dataset, lacking = _dataset(store, run, data, wanted.trust)
    form, content = _content(network, card, wanted, dataset, lacking, int(run.params["seed"]))
    logits = _runner(content, is_onnx)
    facts = facts_of(run, form, _measured(logits, network, card, dataset, lacking, wanted.int8))
    if is_onnx:
        content = described(content, {**card.metadata, **facts.metadata})
    else:
        content = with_metadata(content, facts.metadata)
    script, why = _script(network, card, is_onnx)
    contents = {paths[2]: model_card(path.name, len(content), card, facts, script is not None).encode(), path: content}
    if script is not None:
        contents = {paths[1]: script.encode(), **contents}
    write_together(contents, lambda files: _recheck(files[path], is_onnx, logits, card))
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"exported: {described_run(run)}")
    for line in _said(path, len(content), facts):
        console.print(line)
    beside = [str(other) for other in contents if other != path]
    console.print(f"beside it: {', '.join(beside)}{f' ({why})' if why else ''}")
    if dataset is not None:
        times = file_times(logits, _runner(content, is_onnx), dataset.test.take(max(TIMED)))
        console.print(times_in_words(times, is_onnx))
    if wanted.int8:
        console.print(f"int8: {about_int8()}")


def _dataset(store: Store, run: Run, folder: Path, trust: bool) -> tuple[Dataset | None, str]:
    """The data set of the job, or None and why it cannot be had here."""
    try:
        found = Data.model_validate({**reproducible(store, run.id).config["data"], "folder": folder})
        if not trust:
            refuse_foreign_loader(found)
        return dataset_of(found), ""
    except (ConfigError, DataError, StoreError) as error:
        return None, str(error)


def _content(
    network: nn.Module, card: Card, wanted: Wanted, dataset: Dataset | None, lacking: str, seed: int
) -> tuple[str, bytes]:
    """What the form is called, and the file as yet without its facts."""
    if wanted.form != "onnx":
        dense = dense_bytes(network, card)
        sparse = dense if wanted.dense else sparse_bytes(network, card)
        return ("safetensors, sparse", sparse) if len(sparse) < len(dense) else ("safetensors, dense", dense)
    content = onnx_bytes(network, card.shape)
    if not wanted.int8:
        return "onnx, float32", content
    if dataset is None:
        raise ExportError(f"--int8 takes ranges on training images, and they cannot be had: {lacking}")
    return "onnx, int8", quantized(content, calibration(dataset.train, IMAGES, seed).images.numpy())


def _measured(
    logits: Logits, network: nn.Module, card: Card, dataset: Dataset | None, lacking: str, int8: bool
) -> Measured:
    """How far the file is from the network on random images, and how good it is on all test images.

    Raises:
        ExportError: if it does not compute the same; of int8 that is not asked.
    """
    difference = None if int8 else _difference(logits, _runner_of(network), card, seed=0)
    if difference is None and not int8:
        raise ExportError("the file does not compute what the network computes: nothing was written")
    if dataset is None:
        return Measured(None, 0, difference, None, lacking)
    right = agreeing = 0
    for batch, labels in dataset.test.batches(EVALUATION_BATCH):
        chosen = logits(batch.numpy()).argmax(1)
        right += int((chosen == labels.numpy()).sum())
        agreeing += int((chosen == _runner_of(network)(batch.numpy()).argmax(1)).sum()) if int8 else 0
    count = len(dataset.test)
    return Measured(right / count, count, difference, agreeing / count if int8 else None)


def _script(network: nn.Module, card: Card, is_onnx: bool) -> tuple[str | None, str]:
    """The script that uses the file without prunelab; None, and why, where the network cannot be written as source."""
    place = files("prunelab.deploy.standalone")
    if is_onnx:
        return (place / "onnx_file.py").read_text(encoding="utf-8"), ""
    source = (place / "safetensors_file.py").read_text(encoding="utf-8")
    before, _, rest = source.partition(BEGIN)
    try:
        written = function_source(network, card.shape)
    except ExportError as error:
        return None, f"no script: {error}"
    names_of: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor}
    exec(written, names_of)
    again = partial(names_of["network"], dict(network.state_dict()))
    if _difference(_runner_of(again), _runner_of(network), card, seed=2) is None:
        return None, "no script: written as source the network computes something else"
    return f"{before}{BEGIN}\n{written}\n\n\n{END}{rest.partition(END)[2]}", ""


def _recheck(file: Path, is_onnx: bool, logits: Logits, card: Card) -> None:
    """That what lies on the disk computes what was measured.

    Raises:
        ExportError: if it does not.
    """
    if _difference(_runner(file.read_bytes(), is_onnx), logits, card, seed=1) is None:
        raise ExportError("the file does not compute what the network computes: nothing was written")


def _difference(one: Logits, other: Logits, card: Card, seed: int) -> float | None:
    """The largest difference between their logits on random images; None if it is more than rounding."""
    images = torch.rand(64, *card.shape, generator=torch.Generator().manual_seed(seed)).numpy()
    found, expected = one(images), other(images)
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        return None
    return float(np.abs(found - expected).max())


def _said(path: Path, size: int, facts: Facts) -> list[str]:
    """Size, agreement and accuracy, in words."""
    found, metrics = facts.measured, facts.metrics
    reference = metrics.get(names.INT8_BYTES if "int8" in facts.form else names.FILE_BYTES)
    recorded = "" if "onnx, float32" in facts.form or reference is None else f" (recorded: {reference:,.0f})"
    agreement = (
        f"its logits are within {found.difference:.1e} of the network's"
        if found.difference is not None
        else f"on {found.agreement:.2%} of the test images it chooses as the float32 network does"
    )
    lines = [f"{path}: {facts.form}, {size:,} bytes{recorded}; {agreement}"]
    if found.accuracy is None:
        return [*lines, f"its accuracy was not measured: {found.lacking}"]
    before = metrics.get(names.INT8_ACCURACY) if "int8" in facts.form else metrics[names.TEST_ACCURACY]
    was = "" if before is None else f"recorded: {before:.4f}; "
    return [
        *lines,
        f"test accuracy {found.accuracy:.4f} on {found.images:,} images ({was}unpruned: "
        f"{metrics[names.BASELINE_ACCURACY]:.4f})",
    ]


def _runner(content: bytes, is_onnx: bool) -> Logits:
    return onnx_runner(content) if is_onnx else _runner_of(read_network(content, trust=True)[0])


def _runner_of(network: Callable[[torch.Tensor], torch.Tensor]) -> Logits:
    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            logits: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return logits

    return run
