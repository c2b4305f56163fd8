"""A pruned network as files to deploy: written under temporary names, checked against the network, then renamed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from prunelab.config import Data
from prunelab.data.dataset import EVALUATION_BATCH, Dataset, dataset_of
from prunelab.deploy.facts import Facts, Measured, model_card
from prunelab.deploy.script import script_of
from prunelab.deploy.stored import stored_network
from prunelab.deploy.timed import TIMED, file_times, times_in_words
from prunelab.deploy.written import refuse, write_together
from prunelab.errors import ConfigError, DataError, ExportError, StoreError, spelled_out
from prunelab.graph.exact import difference, is_exact
from prunelab.measure.files import saved
from prunelab.network.chain import Operator
from prunelab.network.saved import Card, dense_bytes, read_network, with_metadata
from prunelab.network.trusted import refuse_foreign_loader
from prunelab.pruning.calibration import calibration
from prunelab.report.console import PLAIN, terminal
from prunelab.runtime.int8 import IMAGES, quantized
from prunelab.runtime.onnx import described, onnx_bytes, onnx_runner, require
from prunelab.runtime.processor import about_int8
from prunelab.tracking.find import described as described_run
from prunelab.tracking.find import find_job
from prunelab.tracking.reproducible import reproducible
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: `run` as `form` (onnx or safetensors) into the file `output` (None: named after the run).

    `force`: replace it if it exists. `trust`: import the code that the record names. `int8`: quantize. `dense`: never
    in the sparse form.
    """

    run: str
    form: str
    output: Path | None
    force: bool
    trust: bool
    int8: bool = False
    dense: bool = False


@torch.no_grad()
def export(store: Store, data: Path, wanted: Wanted) -> None:
    """Write the file, a script that uses it without prunelab, and a model card; print the file's size and accuracy.

    First the file is compared with the network on random images (float32) and evaluated on all test images of the data
    set below the folder `data`.

    Raises:
        PrunelabError: for a run without a network, and a file that cannot be written or does not compute what the
            network computes. Then nothing is left behind.
    """
    is_onnx = wanted.form == "onnx"
    if is_onnx:
        require()
    run = find_job(store, wanted.run)
    path = wanted.output or Path(
        f"{spelled_out(run.name).replace('/', '_')}{'-int8' if wanted.int8 else ''}.{wanted.form}"
    )
    script_path, card_path = Path(f"{path}.py"), Path(f"{path}.md")
    refuse([path, script_path, card_path], wanted.force)
    network, card = stored_network(store, run, wanted.trust)
    dataset, lacking = _dataset(store, run, data, wanted.trust)
    form, plain = _content(network, card, wanted, dataset, lacking, int(run.params["seed"]))
    exported = _opened(plain, is_onnx)
    facts = Facts(run, form, len(plain), _measured(exported, network, card, dataset, lacking, wanted.int8))
    content = described(plain, {**card.metadata, **facts.metadata}) if is_onnx else with_metadata(plain, facts.metadata)
    script, why = script_of(network, card, is_onnx)
    contents = {} if script is None else {script_path: script.encode()}
    contents[card_path] = model_card(path.name, len(content), card, facts, script is not None).encode()
    beside = ", ".join(map(str, contents))
    contents[path] = content
    write_together(contents, lambda places: _check(_opened(places[path].read_bytes(), is_onnx), exported, card, seed=1))
    console = terminal()
    console.print(f"exported: {described_run(run)}", **PLAIN)
    console.print(f"{path}: " + "\n".join(facts.in_words(len(content))), **PLAIN)
    console.print(f"beside it: {beside}{f' ({why})' if why else ''}", **PLAIN)
    if dataset is not None:
        times = file_times(exported, _opened(content, is_onnx), dataset.test.take(max(TIMED)))
        console.print(times_in_words(times, is_onnx), **PLAIN)
    if wanted.int8:
        console.print(f"int8: {about_int8()}", **PLAIN)


def _dataset(store: Store, run: Run, folder: Path, trust: bool) -> tuple[Dataset | None, str]:
    """The data set of the job, or None and why it is not available here."""
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
    """What the form is called, and the file without its facts.

    Raises:
        ExportError: if ONNX cannot express the network, or it cannot be quantized.
    """
    if wanted.form != "onnx":
        if wanted.dense:
            return "safetensors, dense", dense_bytes(network, card)
        file = saved(network, None, card)
        return f"safetensors, {file.form}", file.content
    content = onnx_bytes(network, card.shape)
    if not wanted.int8:
        return "onnx, float32", content
    if dataset is None:
        raise ExportError(f"--int8 needs training images to calibrate on, which are not available: {lacking}")
    return "onnx, int8", quantized(content, calibration(dataset.train, IMAGES, seed).images.numpy())


def _measured(
    exported: Operator, network: nn.Module, card: Card, dataset: Dataset | None, lacking: str, int8: bool
) -> Measured:
    """Difference of the file's outputs from the network's on random images (not for int8), and accuracy on test images.

    Raises:
        ExportError: if it does not compute what the network computes.
    """
    error = None if int8 else _check(exported, network, card, seed=0)
    if dataset is None:
        return Measured(None, 0, error, None, lacking)
    correct = agreeing = 0
    for images, labels in dataset.test.batches(EVALUATION_BATCH):
        chosen = exported(images).argmax(1)
        correct += int((chosen == labels).sum())
        agreeing += int((chosen == network(images).argmax(1)).sum()) if int8 else 0
    count = len(dataset.test)
    return Measured(correct / count, count, error, agreeing / count if int8 else None)


def _check(found: Operator, expected: Operator, card: Card, seed: int) -> float:
    """The largest difference between their logits on random images, relative to the largest logit.

    Raises:
        ExportError: if it is more than rounding.
    """
    images = torch.rand(64, *card.shape, generator=torch.Generator().manual_seed(seed))
    error = difference(found(images), expected(images))
    if not is_exact(error):
        raise ExportError("the file does not compute what the network computes: nothing was written")
    return error


def _opened(content: bytes, is_onnx: bool) -> Operator:
    """What a file's content computes. The code that it names was trusted when the network was read from the store."""
    return onnx_runner(content) if is_onnx else read_network(content, trust=True)[0]
