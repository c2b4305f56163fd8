"""What is timed: a network, dense and pruned, in each runtime; and which of these forms the reported speed is of."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from prunelab.choices import RuntimeName
from prunelab.config import Measure
from prunelab.errors import ConfigError, ExportError
from prunelab.measure.latency import DENSE, OnArrays
from prunelab.network.chain import Operator, chain, csr_chain
from prunelab.pruning.prune import Pruned
from prunelab.runtime import compiled, onnx

MASKED, COMPACTED, CSR = "masked", "compacted", "csr"
INT8, INT8_DENSE = "int8", "int8_dense"


@dataclass(frozen=True, slots=True)
class Networks:
    """The dense network of a job, the pruned one with its zeros, and the same without them."""

    dense: nn.Module
    pruned: Pruned
    compacted: nn.Module
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Forms:
    """`operators` by name, the dense one first; `reported` are the pruned ones among which the fastest is reported.

    `runtime` says what ran them and with how many threads; `onnx_bytes` is the size of the pruned network's float32
    model where there is one; `placebo` is the dense network once more, an instance of its own.
    """

    operators: Mapping[str, Operator]
    reported: tuple[str, ...]
    runtime: str
    onnx_bytes: int | None
    placebo: Operator | None = None


def check(measure: Measure, device: torch.device) -> None:
    """Refuse what cannot be measured here.

    Raises:
        ConfigError: naming the key, and what is missing.
    """
    for key, name in (("measure.runtime", measure.runtime), *(("measure.beside", name) for name in measure.beside)):
        if name is RuntimeName.ONNXRUNTIME:
            _refuse(f"{key}={name.value}", device, onnx.lacking())
        if name is RuntimeName.COMPILE and (words := compiled.lacking()) is not None:
            raise ConfigError(f"{key}={name.value} is refused: {words}; it accepts auto, eager or onnxruntime")
        if name is RuntimeName.COMPILE and (sizes := len(measure.batch_sizes)) > compiled.MOST_SIZES:
            raise ConfigError(
                f"measure.batch_sizes has {sizes} sizes: with {key}={name.value} it accepts up to {compiled.MOST_SIZES}"
            )
    if RuntimeName.AUTO in measure.beside:
        raise ConfigError("measure.beside=auto is refused: it accepts a list of eager, compile, onnxruntime")
    if measure.int8:
        _refuse("measure.int8=true", device, onnx.lacking())


def _refuse(what: str, device: torch.device, lacking: str | None) -> None:
    if device.type != "cpu":
        raise ConfigError(f"{what} is refused with trainer.accelerator=gpu: ONNX Runtime is timed on a CPU only")
    if lacking is not None:
        raise ConfigError(f"{what} is refused: {lacking}")


def reported_runtime(wanted: RuntimeName, device: torch.device) -> RuntimeName:
    """What `auto` is on this machine."""
    if wanted is not RuntimeName.AUTO:
        return wanted
    return RuntimeName.ONNXRUNTIME if device.type == "cpu" and onnx.lacking() is None else RuntimeName.EAGER


def forms(networks: Networks, measure: Measure, device: torch.device, int8: tuple[bytes, bytes] | None = None) -> Forms:
    """Every form that `measure` asks for; `int8` are the quantized models of the dense and of the pruned network.

    Where ONNX was chosen by `auto` and cannot express the network, torch's eager mode is timed in its place.

    Raises:
        ExportError: if ONNX was asked for and cannot express the network.
    """
    runtime = reported_runtime(measure.runtime, device)
    why = ""
    try:
        own = in_runtime(networks, runtime)
    except ExportError as error:
        if measure.runtime is not RuntimeName.AUTO:
            raise
        runtime, why = RuntimeName.EAGER, f"; {error}"
        own = in_runtime(networks, runtime)
    sparse = csr_chain(networks.compacted) if networks.pruned.granularity.sparse else None
    if sparse is not None:
        own[CSR] = sparse
        why = f"; {CSR} in torch{why}" if runtime is RuntimeName.ONNXRUNTIME else why
    others = {
        f"{name.value}_{form}": run
        for name in measure.beside
        if name is not runtime
        for form, run in in_runtime(networks, name).items()
    }
    if int8 is not None:
        others[INT8_DENSE], others[INT8] = (onnx_operator(content) for content in int8)
    size = len(model_of(networks.compacted, networks.shape)) if runtime is RuntimeName.ONNXRUNTIME else None
    reported = tuple(form for form in own if form != DENSE)
    return Forms({**own, **others}, reported, f"{said(runtime)}{why}", size, another_dense(networks, runtime))


def another_dense(networks: Networks, runtime: RuntimeName) -> Operator:
    """The dense network in this runtime, sharing neither weights nor threads with the one of `in_runtime`."""
    if runtime is RuntimeName.ONNXRUNTIME:
        return onnx_operator(model_of(networks.dense, networks.shape))
    copy = deepcopy(networks.dense)
    return compiled.compiled(copy) if runtime is RuntimeName.COMPILE else chain(copy)


def in_runtime(networks: Networks, runtime: RuntimeName) -> dict[str, Operator]:
    """Dense and pruned. Eager mode has the network with its zeros besides; elsewhere it takes as long as the dense one.

    Raises:
        ExportError: if ONNX cannot express the network.
    """
    if runtime is RuntimeName.ONNXRUNTIME:
        dense, small = (model_of(network, networks.shape) for network in (networks.dense, networks.compacted))
        return {DENSE: onnx_operator(dense), COMPACTED: onnx_operator(small)}
    if runtime is RuntimeName.COMPILE:
        return {DENSE: compiled.compiled(networks.dense), COMPACTED: compiled.compiled(networks.compacted)}
    masked = chain(networks.pruned.network)
    return {DENSE: chain(networks.dense), MASKED: masked, COMPACTED: chain(networks.compacted)}


def said(runtime: RuntimeName) -> str:
    """`onnxruntime 1.32.0, 2 threads`."""
    threads = torch.get_num_threads()
    what = onnx.version() if runtime is RuntimeName.ONNXRUNTIME else f"torch {torch.__version__}"
    compiling = ", compiled" if runtime is RuntimeName.COMPILE else ""
    return f"{what}{compiling}, {threads} thread{'' if threads == 1 else 's'}"


def onnx_operator(content: bytes) -> Operator:
    """A model in ONNX Runtime as it is timed."""
    return OnArrays(onnx.onnx_runner(content))


@lru_cache(maxsize=3)
def model_of(network: nn.Module, shape: tuple[int, int, int]) -> bytes:
    """The ONNX model of a network that nobody changes any more: a baseline's is written once for all its jobs.

    Raises:
        ExportError: if ONNX cannot express it.
    """
    return onnx.onnx_bytes(network, shape)
