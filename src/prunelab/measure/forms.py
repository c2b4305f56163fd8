"""What is timed: the unpruned and the pruned network in each runtime, and which forms count for the reported speed."""

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
from prunelab.measure.latency import DENSE
from prunelab.network.chain import Operator, chain, csr_chain
from prunelab.pruning.prune import Pruned
from prunelab.runtime import compiled, onnx

MASKED, COMPACTED, CSR = "masked", "compacted", "csr"
INT8, INT8_DENSE = "int8", "int8_dense"


@dataclass(frozen=True, slots=True)
class Networks:
    """The unpruned network of a job, the pruned one with its zeros, and the compacted one.

    `shape` is (channels, rows, columns) of an image.
    """

    dense: nn.Module
    pruned: Pruned
    compacted: nn.Module
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Forms:
    """`operators` by name, the unpruned network first; the fastest of the pruned ones in `reported` is reported.

    `runtime` says what runs them and with how many threads; `onnx_bytes` is the size of the pruned network's float32
    model, None if ONNX Runtime does not run it; `placebo` is a second instance of the unpruned network.
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
            _check_onnx(f"{key}={name.value}", device)
        if name is RuntimeName.COMPILE and (words := compiled.lacking()) is not None:
            raise ConfigError(f"{key}={name.value} is refused: {words}; it accepts auto, eager or onnxruntime")
        if name is RuntimeName.COMPILE and (sizes := len(measure.batch_sizes)) > compiled.MOST_SIZES:
            raise ConfigError(
                f"measure.batch_sizes has {sizes} sizes: with {key}={name.value} it accepts up to {compiled.MOST_SIZES}"
            )
    if RuntimeName.AUTO in measure.beside:
        raise ConfigError("measure.beside=auto is refused: it accepts a list of eager, compile, onnxruntime")
    if measure.int8:
        _check_onnx("measure.int8=true", device)


def _check_onnx(setting: str, device: torch.device) -> None:
    if device.type != "cpu":
        raise ConfigError(f"{setting} is refused with trainer.accelerator=gpu: ONNX Runtime is timed on a CPU only")
    if (words := onnx.lacking()) is not None:
        raise ConfigError(f"{setting} is refused: {words}")


def reported_runtime(wanted: RuntimeName, device: torch.device) -> RuntimeName:
    """What `auto` means on this machine; any other runtime as it is."""
    if wanted is not RuntimeName.AUTO:
        return wanted
    return RuntimeName.ONNXRUNTIME if device.type == "cpu" and onnx.lacking() is None else RuntimeName.EAGER


def forms(networks: Networks, measure: Measure, device: torch.device, int8: tuple[bytes, bytes] | None = None) -> Forms:
    """Every form that `measure` asks for; `int8` are the quantized models of the unpruned and the pruned network.

    If `auto` chose ONNX and ONNX cannot express the network, torch's eager mode is timed instead.

    Raises:
        ExportError: if ONNX was asked for by name and cannot express the network.
    """
    runtime = reported_runtime(measure.runtime, device)
    why = ""
    try:
        own = _in_runtime(networks, runtime)
    except ExportError as error:
        if measure.runtime is not RuntimeName.AUTO:
            raise
        runtime, why = RuntimeName.EAGER, f"; {error}"
        own = _in_runtime(networks, runtime)
    sparse = csr_chain(networks.compacted) if networks.pruned.granularity.sparse else None
    if sparse is not None:
        own[CSR] = sparse
        why = f"; {CSR} in torch{why}" if runtime is RuntimeName.ONNXRUNTIME else why
    others = {
        f"{name.value}_{form}": run
        for name in measure.beside
        if name is not runtime
        for form, run in _in_runtime(networks, name).items()
    }
    if int8 is not None:
        others[INT8_DENSE], others[INT8] = (onnx.onnx_runner(content) for content in int8)
    size = len(model_of(networks.compacted, networks.shape)) if runtime is RuntimeName.ONNXRUNTIME else None
    reported = tuple(form for form in own if form != DENSE)
    return Forms({**own, **others}, reported, f"{_in_words(runtime)}{why}", size, another_dense(networks, runtime))


def another_dense(networks: Networks, runtime: RuntimeName) -> Operator:
    """The unpruned network once more in this runtime; it shares neither weights nor threads with the first instance."""
    own_weights = runtime is RuntimeName.ONNXRUNTIME  # each session copies those of the model
    dense = networks.dense if own_weights else deepcopy(networks.dense)
    return _operator(dense, networks.shape, runtime)


def _in_runtime(networks: Networks, runtime: RuntimeName) -> dict[str, Operator]:
    """Unpruned and compacted. Eager mode has the masked network too; elsewhere it takes as long as the unpruned one."""
    timed = {DENSE: networks.dense}
    if runtime is RuntimeName.EAGER:
        timed[MASKED] = networks.pruned.network
    timed[COMPACTED] = networks.compacted
    return {name: _operator(network, networks.shape, runtime) for name, network in timed.items()}


def _operator(network: nn.Module, shape: tuple[int, int, int], runtime: RuntimeName) -> Operator:
    if runtime is RuntimeName.ONNXRUNTIME:
        return onnx.onnx_runner(model_of(network, shape))
    return compiled.compiled(network) if runtime is RuntimeName.COMPILE else chain(network)


def _in_words(runtime: RuntimeName) -> str:
    """`onnxruntime 1.32.0, 2 threads`."""
    what = onnx.version() if runtime is RuntimeName.ONNXRUNTIME else f"torch {torch.__version__}"
    compiling = ", compiled" if runtime is RuntimeName.COMPILE else ""
    return f"{what}{compiling}, {threads_in_words()}"


def threads_in_words() -> str:
    """Torch's number of them: `1 thread`, `2 threads`."""
    threads = torch.get_num_threads()
    return f"{threads} thread{'' if threads == 1 else 's'}"


@lru_cache(maxsize=3)
def model_of(network: nn.Module, shape: tuple[int, int, int]) -> bytes:
    """The ONNX model of a network that will not change any more: a baseline's is written once for all its jobs.

    Raises:
        ExportError: if ONNX cannot express it.
    """
    return onnx.onnx_bytes(network, shape)
