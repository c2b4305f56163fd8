"""What determines a result: jobs or trainings with the same determinants give the same numbers.

They are the configuration, the data's digest, the code that computes, and the arithmetic; not names, folders, or what
is only measured.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from prunelab.arithmetic.environment import Arithmetic
from prunelab.config import Job
from prunelab.data.dataset import dataset_of
from prunelab.fingerprint import fingerprint
from prunelab.graph.graph import Graph
from prunelab.network.checkpoint import file_digest
from prunelab.network.subject import graph_of
from prunelab.plugins import imported

COMPUTATION = 3
"""Incremented whenever pruning, recovery or evaluation compute something else from the same configuration.

2: the compacted network is evaluated, not the masked one; they agree to rounding. 3: recoveries train in training mode,
which matters to BatchNorm and dropout.
"""
TRAINING = 3
"""The same for training; older baselines are then not reused."""

INDEPENDENT_OF_THREADS = frozenset(
    {
        *("linear", "addmm", "mm", "matmul", "t", "relu", "relu_", "leaky_relu", "leaky_relu_", "hardtanh", "gelu"),
        *("hardtanh_", "tanh", "flatten", "view", "reshape", "permute", "transpose", "contiguous", "clone", "alias"),
        *("unsqueeze", "squeeze", "slice", "select", "cat", "split", "chunk", "getitem", "dropout", "dropout_"),
        *("add", "add_", "sub", "mul", "mul_", "max_pool2d", "avg_pool2d", "identity"),
    }
)
"""ATen operators whose values and gradients under portable arithmetic are the same for any number of threads."""


def determinants(job: Job, threads: int | None = None) -> dict[str, Any]:
    """All that determines a job's result, JSON-like. `threads`: what its launcher gives it (see `threads_of`)."""
    return {
        **training_determinants(job, threads),
        "method": job.method.model_dump(mode="json"),
        "recovery": job.recovery.model_dump(mode="json"),
        "calibration": job.calibration.model_dump(mode="json"),
        "percentage": job.percentage,
        "percentage_of": job.percentage_of.value,
        "code": _code(job.data.loader, job.model.network, job.method.score, *_recoveries(job.recovery.model_dump())),
        "version": {**_versions(), "computation": COMPUTATION},
    }


def training_determinants(job: Job, threads: int | None = None) -> dict[str, Any]:
    """All that determines the trained network, JSON-like. `threads`: see `determinants`."""
    checkpoint = job.model.checkpoint
    return {
        "data": {
            **job.data.model_dump(mode="json", exclude={"folder"}),
            "digest": dataset_of(job.data).digest,
        },
        "model": {
            **job.model.model_dump(mode="json", exclude={"checkpoint"}),
            "checkpoint": None if checkpoint is None else file_digest(checkpoint),
        },
        "training": job.training.model_dump(mode="json"),
        "seed": job.seed,
        "arithmetic": _arithmetic(job, threads),
        "code": _code(job.data.loader, job.model.network),
        "version": _versions(),
    }


def config_hash(job: Job, threads: int | None = None) -> str:
    """SHA-256 of a job's determinants."""
    return fingerprint(determinants(job, threads))


def baseline_key(job: Job, threads: int | None = None) -> str:
    """SHA-256 of all that determines the trained network, without the names of the data set and its loader."""
    found = training_determinants(job, threads)
    data = {key: value for key, value in found["data"].items() if key not in ("name", "loader")}
    return fingerprint({**found, "data": data})


def threads_of(job: Job, threads: int | None = None) -> int:
    """The number of torch threads of a job: `trainer.threads`, else what its launcher gives it, else one per core."""
    return job.trainer.threads or threads or os.cpu_count() or 1


def depends_on_threads(graph: Graph) -> bool:
    """Whether the result of a training under portable arithmetic may depend on the number of threads.

    It does for convolutions and normalisations, whose gradients are sums that several threads compute together.
    """
    return not graph.operators <= INDEPENDENT_OF_THREADS


def _arithmetic(job: Job, threads: int | None) -> dict[str, Any]:
    setting = job.trainer.arithmetic
    found: dict[str, Any] = {"setting": setting.value, "device": job.trainer.accelerator}
    if setting is Arithmetic.PORTABLE and depends_on_threads(graph_of(job.model, dataset_of(job.data))):
        found["threads"] = threads_of(job, threads)
    return found


def _versions() -> dict[str, Any]:
    """The versions of the training code and of torch, without torch's build (`+cpu`)."""
    return {"training": TRAINING, "torch": _version_of("torch").partition("+")[0]}


@cache
def _version_of(package: str) -> str:
    """Its installed version, read from its files once: a sweep's plan asks for each job."""
    return version(package)


def _recoveries(recovery: Mapping[str, Any]) -> list[str]:
    """The paths of a recovery's function and of those of the recoveries it consists of."""
    inner = [path for value in recovery.values() if isinstance(value, Mapping) for path in _recoveries(value)]
    return [f"{recovery['module']}.recover", *inner] if "module" in recovery else inner


def _code(*paths: str) -> dict[str, str]:
    """What identifies the code of each dotted path outside prunelab."""
    return {path: _source(path) for path in paths if "." in path and not path.startswith("prunelab.")}


@cache
def _source(path: str) -> str:
    """The version of an installed package; the SHA-256 of any other file and of the files of one's own it imports."""
    imported(path, "configuration")
    module = path.rpartition(".")[0]
    while module not in sys.modules:
        module = module.rpartition(".")[0]
    file = Path(inspect.getsourcefile(sys.modules[module]) or "")
    if _installed(file):
        package = module.partition(".")[0]
        return f"{package} {version(packages_distributions()[package][0])}"
    files = {module: file, **_imports(module)}
    digests = {name: hashlib.sha256(each.read_bytes()).hexdigest() for name, each in files.items()}
    return digests[module] if len(digests) == 1 else fingerprint(digests)


def _imports(module: str) -> dict[str, Path]:
    """The file of a user's module and the user's files that it imports, directly or not; not installed packages.

    Imports are read from the source, so that those inside functions, which may not have run, count too. The standard
    library's `modulefinder` does the same, but fails at folders without `__init__.py`.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = None if name in found else _own_file(name)
        if file is None:
            continue
        found[name] = file
        package = name.rpartition(".")[0]
        waiting.append(package)
        if file.suffix == ".py":
            with suppress(SyntaxError, ValueError):  # it cannot run, so it imports nothing
                waiting += _imported(ast.parse(file.read_bytes()), name if file.name == "__init__.py" else package)
    return found


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The modules that the source of a module in this package may import; of `from a import b`, both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with suppress(ImportError):  # it leads out of the package, and would fail if it ran
                base = resolve_name("." * node.level + (node.module or ""), package)
                yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _own_file(module: str) -> Path | None:
    """The file of a module; None if it has none, or belongs to an installed package, to Python or to prunelab."""
    try:
        # first its outermost package: to look up a module inside a package imports the package
        for name in (module.partition(".")[0], module):
            spec = find_spec(name)
            places = [] if spec is None else [spec.origin] if spec.has_location else spec.submodule_search_locations
            if not places or any(not _is_own(Path(str(place))) for place in places):
                return None
    except Exception:  # ImportError and ValueError, and what packages of one's own raise, which run for this
        return None
    assert spec is not None
    return Path(str(spec.origin)) if spec.has_location else None


def _is_own(place: Path) -> bool:
    others = (Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1])
    return not (_installed(place) or any(place.is_relative_to(folder) for folder in others))


def _installed(place: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & set(place.parts))
