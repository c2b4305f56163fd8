"""An epoch through Lightning against the bare loop that does the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks import bare, subject
from benchmarks.ratio import Ratio, compare
from prunelab.device import has_bf16
from prunelab.network.build import build
from prunelab.training.fit import fit


def measure() -> list[Ratio]:
    """In float32; and where the processor has it, in bf16, against both bare loops."""
    subject.dataset()
    ratios = [_of("float32", "float32", 1.10)]
    if has_bf16(subject.job().trainer):
        ratios += [_of("bf16", "bf16", 1.10), _of("bf16", "float32", 0.5)]
    return ratios


def _of(precision: str, other: str, target: float) -> Ratio:
    name = f"{subject.EPOCHS} epochs in {precision}, with validation / bare loop in {other}"
    return compare(name, lambda: _ours(precision), lambda: _bare(other), target, repeats=3)


def _ours(precision: str) -> None:
    job, dataset = subject.job(f"training.precision={precision}"), subject.dataset()
    network = build(job.model, dataset.shape, len(dataset.classes), job.seed)
    with tempfile.TemporaryDirectory() as folder:
        fit(network, dataset, job.training, job.trainer, job.seed, Path(folder))


def _bare(precision: str) -> None:
    dataset = subject.dataset()
    images, labels = dataset.train.images.flatten(1), dataset.train.labels
    model = bare.network()
    optimizer = bare.adam(model)
    for _ in range(subject.EPOCHS):
        if precision == "float32":
            bare.epoch(model, optimizer, (images, labels))
        else:
            for index in torch.randperm(len(labels)).split(bare.BATCH):
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16):
                    loss = functional.cross_entropy(model(images[index]), labels[index])
                loss.backward()
                optimizer.step()
        bare.evaluate(model, (dataset.validation.images.flatten(1), dataset.validation.labels))
