"""The library API: prune, recover and compact a network without Hydra, MLflow or Lightning.

The command line does the same, with a trained baseline, a store and sweeps (`prunelab.job`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import OmegaConf
from pydantic import ValidationError
from torch import Tensor, nn

from prunelab.arithmetic.environment import effective
from prunelab.arithmetic.process import arithmetic_for_a_while
from prunelab.choices import PercentageOf
from prunelab.config import Method, Recovery, Trainer, Training
from prunelab.data.dataset import Dataset, Split
from prunelab.errors import ConfigError
from prunelab.graph.analyse import analyse as analyse
from prunelab.measure.size import Size, dense_size, remaining_size
from prunelab.pruning import prune as pruning
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.exactness import checked
from prunelab.reading import CONF
from prunelab.recovery.recover import Learning, Task, recover, recovery_of
from prunelab.refusals import refusals

VALIDATION = 0.1
"""The fraction of the images on which a recovery that trains chooses its best epoch."""


@dataclass(frozen=True, slots=True)
class Counts:
    """`multiply_adds` are those of one image; `units` are the method's own: weights, or neurons and channels."""

    parameters: int
    multiply_adds: int
    units: int


@dataclass(frozen=True, slots=True)
class Result:
    """A pruned network, compacted and masked.

    `network` is a smaller module of the same class, in evaluation mode; `masked` the module as it was given, with zeros
    in place of what was removed. `before` and `after` count; `whole` says which layers have no channel that can be
    removed, and why; `error` is the largest relative difference of `network(images)` and `masked(images)`.
    `arithmetic` is `portable` (the same numbers on every x86-64 processor with AVX2) or `native`.
    """

    network: nn.Module
    masked: nn.Module
    before: Counts
    after: Counts
    whole: Mapping[str, str]
    error: float
    arithmetic: str


def prune(
    network: nn.Module,
    images: Tensor,
    method: str | Method = "neuron_activation",
    percentage: float = 50,
    percentage_of: str = "units",
    recovery: str | Recovery = "none",
    recovery_options: Mapping[str, Any] | None = None,
    labels: Tensor | None = None,
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> Result:
    """Remove `percentage` percent of a network's units (or parameters, or multiply_adds), and recover.

    `network` is any module that torch.export can trace with one tensor; it is never changed. `images` (float [n, ...])
    are what it is traced and calibrated with: some hundreds of training images are enough. `method` and `recovery` are
    names of `conf/method` and `conf/recovery`, or objects; `recovery_options` override the recovery's own. `labels`
    (int64 [n]) are needed by what uses the loss. `exclude`: layers left whole, by name or pattern.

    Raises:
        NetworkError: if the network cannot be traced, or the compacted one would not compute what the masked one does.
        ConfigError: for names, options and percentages that do not exist or cannot be had.
    """
    chosen = _method(method, exclude)
    repair = _recovery(recovery, recovery_options or {})
    share = _percentage(percentage)
    what = _percentage_of(percentage_of)
    _check_images(images, labels)
    _, options = recovery_of(repair)
    dense = copy.deepcopy(network).eval().requires_grad_()
    with arithmetic_for_a_while() as arithmetic:
        graph = analyse(dense, images).excluding(chosen.exclude)
        pruning.check(graph, chosen, share, what)
        calibration = Calibration(images, labels, seed)
        learning = _learning(images, labels, seed) if options.trains and labels is not None else None
        pruned = pruning.prune(dense, graph, chosen, share, calibration, what)
        pruned = recover(pruned, Task(dense, graph, calibration, chosen, share, what, seed, learning), repair)
        small = compact(pruned)
        error = checked(pruned, small, images)
    trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    for result in (small.network, pruned.network):
        for name, parameter in result.named_parameters():
            parameter.requires_grad_(trained.get(name, True))
    return Result(
        network=small.network,
        masked=pruned.network,
        before=_counts(dense_size(graph, pruned.granularity)),
        after=_counts(remaining_size(pruned)),
        whole=graph.whole,
        error=error,
        arithmetic=arithmetic.value,
    )


def _counts(size: Size) -> Counts:
    return Counts(size.parameters, size.multiply_adds, sum(size.layers))


def _method(method: str | Method, exclude: Sequence[str]) -> Method:
    if isinstance(exclude, str):
        exclude = [exclude]
    if isinstance(method, str):
        try:
            method = Method.model_validate(_from_yaml("method", method))
        except ValidationError as error:
            raise ConfigError(refusals(error, Method, "method.")) from None
    return method.model_copy(update={"exclude": (*method.exclude, *exclude)})


def _recovery(recovery: str | Recovery, options: Mapping[str, Any]) -> Recovery:
    if isinstance(recovery, str):
        return Recovery.model_validate({**_from_yaml("recovery", recovery), **options})
    return Recovery.model_validate({**recovery.model_dump(), **options})


def _percentage(percentage: float) -> float:
    if isinstance(percentage, bool) or not isinstance(percentage, int | float) or not 0 <= percentage <= 100:
        raise ConfigError(f"percentage={percentage} is refused: it accepts a number from 0 to 100")
    return float(percentage)


def _percentage_of(what: str) -> PercentageOf:
    try:
        return PercentageOf(what)
    except ValueError:
        accepted = ", ".join(each.value for each in PercentageOf)
        raise ConfigError(f"percentage_of={what} is refused: it accepts {accepted}") from None


def _check_images(images: Tensor, labels: Tensor | None) -> None:
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.dim() < 2 or not len(images):
        given = f"{images.dtype} {list(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise ConfigError(f"images are {given}: it takes a float tensor [n, ...] with at least one image")
    if not images.is_meta and not images.isfinite().all():
        raise ConfigError("images hold NaN or infinite values: it takes finite numbers")
    if labels is not None and (labels.dtype != torch.int64 or labels.shape != (len(images),)):
        raise ConfigError(
            f"labels are {labels.dtype} {list(labels.shape)}: it takes an int64 tensor [{len(images)}], one per image"
        )


def _from_yaml(group: str, name: str) -> dict[str, Any]:
    """The keys of `conf/<group>/<name>.yaml`, with those of the files that it builds on.

    Raises:
        ConfigError: listing the names there are.
    """
    known = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"{group}={name} is refused: it accepts {', '.join(known)}")
    read: Any = OmegaConf.load(CONF / group / f"{name}.yaml")
    bases = [base.partition("@")[::2] for base in read.pop("defaults", []) if base != "_self_"]
    merged = OmegaConf.merge(
        *({group: _within(place, _from_yaml(group, base))} for base, place in bases), {group: read}
    )
    training = {"training": OmegaConf.load(CONF / "training" / "default.yaml")}
    resolved: Any = OmegaConf.to_container(OmegaConf.merge(training, merged), resolve=True)
    return dict(resolved[group])


def _within(place: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys nested under `place`, as `name@place` in `defaults` asks for; unchanged without a place."""
    return {place: keys} if place else keys


def _learning(images: Tensor, labels: Tensor, seed: int) -> Learning:
    """The images as a data set: a tenth is held out to choose the best epoch on."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).to(images.device)
    held = max(1, int(VALIDATION * len(images)))
    validation, train = (Split(images[chosen], labels[chosen]) for chosen in (order[:held], order[held:]))
    classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    shape: Any = tuple(images.shape[1:])
    dataset = Dataset("images", "given", "", shape, classes, train, validation, validation)
    training = Training.model_validate(_from_yaml("training", "default"))
    accelerator = "gpu" if images.is_cuda else "cpu"
    trainer = Trainer(arithmetic=effective(), accelerator=accelerator, threads=None, progress=False)

    def untrained() -> nn.Module:
        raise ConfigError("recovery=rewind is refused: the network's weights before its training are not known here")

    return Learning(dataset, training, trainer, untrained)
