"""Trace a network into a flat list of operators with torch.export."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.utils.flop_counter import FlopCounterMode

from prunelab.errors import NetworkError
from prunelab.quiet import quiet

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
"""Operators without a formula for their MACs that torch can decompose."""


def trace(network: nn.Module, images: Tensor) -> ExportedProgram:
    """The operators that the network applies to `images` [n, ...] in evaluation mode.

    Raises:
        NetworkError: if the network cannot run on the images, or cannot be traced.
    """
    with evaluating(network), torch.no_grad(), quiet("torch.export"), quiet("torch.__trace"):
        try:
            return torch.export.export(network, (images,), strict=False)
        except Exception as error:
            run(network, images)  # if it cannot run at all, that is the error to report
            raise NetworkError(
                f"the network cannot be traced by torch.export, on which pruning relies: {first_line(error)}. "
                "It accepts a forward() whose operations do not depend on the values in a tensor"
            ) from error


def operators(program: ExportedProgram) -> frozenset[str]:
    """The names of the program's operators without their overloads: `linear`, `relu`."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    return frozenset(
        target._schema.name.partition("::")[2] if isinstance(target, torch._ops.OpOverload) else target.__name__
        for target in targets
    )


def multiply_adds(program: ExportedProgram, images: Tensor) -> int:
    """MACs per image of all operators of the program, by torch's own formulas; `images` as it was traced with.

    Only shapes are computed. Recurrent layers, for which torch has no formula, are first taken apart into products.
    """
    if operators(program) & RECURRENT:
        program = program.run_decompositions()
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with fake, FlopCounterMode(display=False) as counter, torch.no_grad():
        program.module()(fake.from_tensor(images))
    return int(counter.get_total_flops()) // 2 // len(images)


def run(network: nn.Module, images: Tensor) -> Any:
    """The network's outputs for `images` [n, ...].

    Raises:
        NetworkError: if it cannot run on them.
    """
    try:
        return network(images)
    except Exception as error:
        shape = "x".join(map(str, images.shape[1:]))
        raise NetworkError(f"the network cannot take images of {shape}: {first_line(error)}") from error


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put the network into evaluation mode, and each module back into its own mode afterwards."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def on_cpu(network: nn.Module) -> nn.Module:
    """The network itself if it is on the CPU, else a copy there: a GPU may round products to TF32's 10 bits."""
    if all(value.device.type == "cpu" for value in (*network.parameters(), *network.buffers())):
        return network
    return copy.deepcopy(network).cpu()


def first_line(error: Exception) -> str:
    """An error's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
