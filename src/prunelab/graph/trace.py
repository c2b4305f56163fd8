"""A network as a flat list of operators, by torch.export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from prunelab.errors import NetworkError
from prunelab.quiet import quiet


def trace(network: nn.Module, images: Tensor) -> ExportedProgram:
    """The operators that the network applies to `images` [n, ...] in evaluation mode.

    Raises:
        NetworkError: if it cannot be run on them, or cannot be traced.
    """
    shape = "x".join(map(str, images.shape[1:]))
    with evaluating(network), torch.no_grad(), quiet("torch.export"), quiet("torch.__trace"):
        try:
            return torch.export.export(network, (images,), strict=False)
        except Exception as error:
            _run(network, images, shape)
            raise NetworkError(
                f"the network cannot be traced by torch.export, on which pruning relies: {first_line(error)}. "
                "It accepts a forward() whose operations do not depend on the values in a tensor"
            ) from error


def operators(program: ExportedProgram) -> frozenset[str]:
    """The names of a program's operators, without their overloads: `linear`, `relu`."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    return frozenset(
        target._schema.name.partition("::")[2] if isinstance(target, torch._ops.OpOverload) else target.__name__
        for target in targets
    )


def _run(network: nn.Module, images: Tensor, shape: str) -> None:
    """Tell a network that cannot run from one that cannot be traced."""
    try:
        network(images)
    except Exception as error:
        raise NetworkError(f"the network cannot take images of {shape}: {first_line(error)}") from error


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """In evaluation mode; afterwards each module is in the mode that it was in."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def first_line(error: Exception) -> str:
    """An error's kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
