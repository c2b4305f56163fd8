"""The report's experiment as one would write it without prunelab: plain PyTorch, nothing recorded.

    python -m benchmarks.bare DATA_FOLDER

The same data, network, optimiser, epochs and number of evaluations as `prunelab experiment=report`; the best epoch is
kept in memory. Pruning is the two lines per method that anyone would write.
"""

from __future__ import annotations

import copy
import sys
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torchvision.datasets import FashionMNIST

PERCENTAGES = (0, 20, 30, 40, 50, 60, 70, 80, 90, 99)
EPOCHS, BATCH, RATE = 10, 128, 0.0007
SIZES = (784, 1000, 1000, 500, 200, 10)

Images = tuple[torch.Tensor, torch.Tensor]


def load(folder: str) -> tuple[Images, Images, Images]:
    """Train, validation and test images as tensors."""
    train, test = FashionMNIST(folder, train=True), FashionMNIST(folder, train=False)
    images, labels = train.data.flatten(1).float() / 255, train.targets
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))
    held, rest = order[:6_000], order[6_000:]
    return (
        (images[rest], labels[rest]),
        (images[held], labels[held]),
        (test.data.flatten(1).float() / 255, test.targets),
    )


def network() -> nn.Sequential:
    """The report's network."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(SIZES):
        linear = nn.Linear(inputs, outputs, bias=False)
        nn.init.xavier_uniform_(linear.weight)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def epoch(model: nn.Module, optimizer: torch.optim.Optimizer, train: Images) -> None:
    """One pass over the training images."""
    images, labels = train
    for index in torch.randperm(len(labels)).split(BATCH):
        optimizer.zero_grad()
        functional.cross_entropy(model(images[index]), labels[index]).backward()
        optimizer.step()


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """The same optimiser as prunelab's default."""
    return torch.optim.Adam(model.parameters(), lr=RATE, fused=True)


@torch.inference_mode()
def evaluate(model: nn.Module, split: Images) -> tuple[float, float]:
    """Accuracy and loss."""
    logits = model(split[0])
    return (logits.argmax(1) == split[1]).float().mean().item(), functional.cross_entropy(logits, split[1]).item()


@torch.no_grad()
def pruned(model: nn.Sequential, method: str, percentage: int) -> nn.Sequential:
    """All hidden layers ranked together, the smallest `percentage` set to zero."""
    model = copy.deepcopy(model)
    hidden = [layer for layer in model if isinstance(layer, nn.Linear)][:-1]
    scores = [layer.weight.abs().flatten() if method == "weight" else layer.weight.norm(dim=1) for layer in hidden]
    every = torch.cat(scores)
    count = percentage * len(every) // 100
    threshold = every.kthvalue(count).values if count else torch.tensor(-1.0)
    for layer, score in zip(hidden, scores, strict=True):
        mask = score > threshold
        layer.weight.mul_(mask.view_as(layer.weight) if method == "weight" else mask.unsqueeze(1))
    return model


def main() -> None:
    """Train, keep the best epoch, prune and evaluate; print the table."""
    torch.manual_seed(0)
    train, validation, test = load(sys.argv[1])
    model = network()
    optimizer = adam(model)
    best, kept = -1.0, copy.deepcopy(model.state_dict())
    for _ in range(EPOCHS):
        epoch(model, optimizer, train)
        accuracy, _ = evaluate(model, validation)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    evaluate(model, test)
    for method in ("weight", "neuron"):
        for percentage in PERCENTAGES:
            smaller = pruned(model, method, percentage)
            evaluate(smaller, validation)
            print(method, percentage, *evaluate(smaller, test))


if __name__ == "__main__":
    main()
