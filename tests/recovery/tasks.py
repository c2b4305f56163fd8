"""Recoveries applied to small networks, and how far the result is from the dense network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunelab.compose import compose_job
from prunelab.graph.graph import Graph
from prunelab.pruning.calibration import Calibration, divergence
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Task, recover


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def task_of(network: nn.Module, graph: Graph, images: Tensor, percentage: float, method: str) -> Task:
    job = compose_job([f"method={method}"])
    return Task(network.eval(), graph, Calibration(images, None, 0), job.method, percentage, job.percentage_of, 0, None)


def recovered(task: Task, *options: str) -> tuple[Pruned, Pruned]:
    pruned = task.prune(task.dense, task.percentage)
    return pruned, recover(pruned, task, compose_job(list(options)).recovery)


@torch.no_grad()
def distance(task: Task, pruned: Pruned) -> float:
    """KL divergence of the predictions on the calibration images from the dense network's."""
    images = task.calibration.images
    return float(divergence(pruned.network(images), task.dense(images)))
