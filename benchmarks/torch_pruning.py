"""Torch-Pruning (Fang et al. 2023) as its manual uses it, pruned to a given number of multiply-adds."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.nn import functional

from prunelab.pruning.calibration import Calibration

IMPORTANCES: Mapping[str, Callable[[], Any]] = {
    "magnitude": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "BN scale": lambda: tp.importance.BNScaleImportance(),
    "LAMP": lambda: tp.importance.LAMPImportance(),
    "FPGM": lambda: tp.importance.FPGMImportance(),
    "Taylor": lambda: tp.importance.GroupTaylorImportance(),
    "Hessian": lambda: tp.importance.GroupHessianImportance(),
    "random": lambda: tp.importance.RandomImportance(),
}
SCOPES = {"global": True, "per layer": False}
HALVINGS = 12
"""Of the range of pruning ratios: the last step is a 4096th of the channels."""
AT_ONCE = 500
ONE_BY_ONE = 512
"""Images whose gradients are taken together, and images whose gradients are taken one by one (Hessian)."""


class NothingToPrune(Exception):
    """The importance is defined nowhere in the network, or the pruner removed nothing at all."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A network that Torch-Pruning made smaller, the seconds that took, and the pruning ratio that was asked for."""

    network: nn.Module
    seconds: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """A copy of a network with the gradients that an importance reads, and the seconds that they took."""

    network: nn.Module
    importance: str
    calibration: Calibration
    seconds: float


def prepared(network: nn.Module, importance: str, calibration: Calibration) -> Prepared:
    """The network for `pruned`; it is copied and left as it is. `calibration` has labels."""
    own = copy.deepcopy(network).eval().requires_grad_()
    start = time.perf_counter()
    _gradients(own, importance, calibration)
    return Prepared(own, importance, calibration, time.perf_counter() - start)


def pruned(given: Prepared, scope: str, multiply_adds: int) -> Peer:
    """The smallest network that a pruning ratio can give without going below `multiply_adds`, in one step.

    The ratio is searched; `seconds` are those of pruning once with the ratio that was found, gradients included.

    Raises:
        NothingToPrune: if no ratio removes anything.
    """
    example = given.calibration.images[:1]
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = _once(given, scope, middle).network
        low, high = (middle, high) if counted(tried, example) >= multiply_adds else (low, middle)
    peer = _once(given, scope, low)
    if counted(peer.network, example) == counted(given.network, example):
        raise NothingToPrune(f"{given.importance}, {scope}")
    return peer


def _once(given: Prepared, scope: str, ratio: float) -> Peer:
    own = copy.deepcopy(given.network)
    torch.manual_seed(given.calibration.seed)
    start = time.perf_counter()
    output = [layer for layer in own.modules() if isinstance(layer, nn.Linear)][-1]
    pruner = tp.pruner.BasePruner(
        own,
        given.calibration.images[:1],
        importance=IMPORTANCES[given.importance](),
        global_pruning=SCOPES[scope],
        pruning_ratio=ratio,
        ignored_layers=[output],
    )
    for mine, theirs in zip(own.parameters(), given.network.parameters(), strict=True):  # a copy has no gradients
        mine.grad = None if theirs.grad is None else theirs.grad.clone()
    pruner.step()
    seconds = given.seconds + time.perf_counter() - start
    own.zero_grad()
    return Peer(own.requires_grad_(False), seconds, ratio)


def _gradients(network: nn.Module, importance: str, calibration: Calibration) -> None:
    """Fill in what an importance reads from `.grad`: gradients of the mean loss, or means of squared gradients."""
    assert calibration.labels is not None
    if importance == "Taylor":
        parts = (calibration.images.split(AT_ONCE), calibration.labels.split(AT_ONCE))
        for images, labels in zip(*parts, strict=True):
            (functional.cross_entropy(network(images), labels, reduction="sum") / len(calibration)).backward()
    if importance == "Hessian":
        # Its own accumulate_grad asks for parameters by name and keeps them by tensor: only the last image would count.
        sums = [torch.zeros_like(each) for each in network.parameters()]
        seen = calibration.images[:ONE_BY_ONE], calibration.labels[:ONE_BY_ONE]
        for image, label in zip(*seen, strict=True):
            network.zero_grad()
            functional.cross_entropy(network(image.unsqueeze(0)), label.unsqueeze(0)).backward()
            for total, each in zip(sums, network.parameters(), strict=True):
                if each.grad is not None:
                    total += each.grad.square()
        for total, each in zip(sums, network.parameters(), strict=True):
            each.grad = total / len(seen[0])


@torch.no_grad()
def counted(network: nn.Module, image: Tensor) -> int:
    """Multiply-adds of convolutions and linear layers for one image [1, ...]."""
    with _counting(network) as counts:
        network(image)
    return sum(counts)


@contextmanager
def _counting(network: nn.Module) -> Iterator[list[int]]:
    counts: list[int] = []

    def count(layer: nn.Module, given: object, logits: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        counts.append(weight.numel() * (logits.numel() // weight.shape[0]))

    layers = [each for each in network.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()
