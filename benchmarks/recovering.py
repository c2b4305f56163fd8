"""Least squares of the whole network, and ranking all of its weights."""

from __future__ import annotations

import torch

from benchmarks import bare, subject
from benchmarks.ratio import Ratio, compare
from prunelab.choices import Scope
from prunelab.network.subject import graph_of
from prunelab.pruning.calibration import calibration
from prunelab.pruning.prune import prune
from prunelab.pruning.selection import select
from prunelab.recovery.refit import refit
from prunelab.recovery.targets import layer_targets


def measure() -> list[Ratio]:
    """Against evaluating 10,000 images, and against sorting."""
    dense, dataset = subject.trained(), subject.dataset()
    images = calibration(dataset.train, subject.job().calibration.images, seed=0)
    ratios, graph = [], graph_of(subject.job().model, dataset)
    for method, percentage, seconds in (("neuron_activation", 80, 1.5), ("weight_obs", 90, 3.0), ("weight", 80, 3.0)):
        pruned = prune(dense.network, graph, subject.job(f"method={method}").method, percentage, images)
        ratios.append(
            compare(
                f"least squares, {method} {percentage}% / evaluating 10,000 images",
                lambda pruned=pruned: refit(pruned, layer_targets(dense.network, graph, images), images, 1e-3),  # type: ignore[misc]
                lambda: bare.evaluate(dense.network, (dataset.test.images, dataset.test.labels)),
                target=None,
                repeats=3,
                seconds=seconds,
            )
        )
    parameters = dict(dense.network.named_parameters())
    scores = [parameters[layer.weight].detach().abs() for layer in graph.prunable]
    every = torch.cat([score.flatten() for score in scores])
    ratios.append(
        compare(
            f"global selection over {every.numel():,} weights / sorting them",
            lambda: select(scores, every.numel() * 4 // 5, Scope.GLOBAL),
            every.sort,
            target=1.0,
            repeats=5,
            seconds=0.05,
        )
    )
    return ratios
