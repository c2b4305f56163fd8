"""What a job may be: every key, its type, its bounds, and the words that refuse anything else.

Hydra composes `conf/` and refuses unknown keys and options; what it composed becomes a `Job` here, and the rest of the
package sees nothing but that. Defaults stand in the YAML files alone.
"""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from prunelab.arithmetic.environment import Arithmetic, has_avx2
from prunelab.errors import ConfigError

_CHECKOUT = Path(__file__).parents[2] / "conf"
_PACKAGED = Path(__file__).parent / "conf"
CONF = _CHECKOUT if _CHECKOUT.is_dir() else _PACKAGED
"""The folder of the YAML groups: the checkout's, or the one that the wheel carries."""


class GranularityName(str, Enum):
    """What one unit is that pruning removes: see `prunelab.pruning.granularity`."""

    WEIGHT = "weight"
    NEURON = "neuron"
    N_M = "n_m"
    BLOCK = "block"


class PercentageOf(str, Enum):
    """What the percentage counts."""

    UNITS = "units"
    PARAMETERS = "parameters"
    MULTIPLY_ADDS = "multiply_adds"


class Scope(str, Enum):
    """Which units are ranked together."""

    GLOBAL = "global"
    GLOBAL_NORMALISED = "global_normalised"
    LAYER = "layer"


class Schedule(str, Enum):
    """The learning rate over a training: as it is, or down to zero, in a straight line or along REX's curve.

    Down to zero within whatever epochs there are is what budgeted training takes (Li, Yumer and Ramanan 2020; after
    pruning, Zimmer, Spiegel and Pokutta 2023). REX (Chen, Wolfe and Kyrillidis 2022) stays high for longer.
    """

    CONSTANT = "constant"
    LINEAR = "linear"
    REX = "rex"


class Precision(str, Enum):
    """The arithmetic of training; `bf16` is mixed: weights and their updates stay float32.

    `auto` is whichever this machine is faster in; a job is told, and recorded with, what that is.
    """

    FLOAT32 = "float32"
    BF16 = "bf16"
    AUTO = "auto"


class RuntimeName(str, Enum):
    """What runs a network while it is timed; `auto` is onnxruntime on a CPU where the extra `onnx` is, else eager."""

    AUTO = "auto"
    EAGER = "eager"
    COMPILE = "compile"
    ONNXRUNTIME = "onnxruntime"


Count = Annotated[int, Field(strict=True, ge=1, description="a whole number, at least 1")]
CountOrZero = Annotated[int, Field(strict=True, ge=0, description="a whole number, at least 0")]
Positive = Annotated[float, Field(strict=True, gt=0, description="a number above 0")]
NonNegative = Annotated[float, Field(strict=True, ge=0, description="a number, at least 0")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Section):
    """A data set: `loader` names the function that returns it (see `prunelab.data.dataset`).

    What may be null may be left out of the YAML file of a data set of one's own.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    loader: str
    folder: Path
    validation: Count
    split_seed: CountOrZero
    channels: Annotated[Literal[1, 3] | None, Field(description="1 (grey) or 3 (colour)")] = None
    mean: Annotated[tuple[float, ...] | None, Field(description="a list of numbers, one per channel,")] = None
    std: tuple[float, ...] | None = Field(None, validate_default=True)

    @property
    def options(self) -> dict[str, Any]:
        """The keys that are the loader's own."""
        return dict(self.model_extra or {})

    @field_validator("std")
    @classmethod
    def _fits(cls, std: tuple[float, ...] | None, found: ValidationInfo) -> tuple[float, ...] | None:
        """Mean and std are both given or neither, and of one length: that of the channels, where it is known."""
        mean, channels = found.data.get("mean"), found.data.get("channels")
        if "mean" in found.data and (mean is None) != (std is None):
            raise ValueError("data.mean and data.std accept a list each, or null both")
        if std is None or mean is None:
            return std
        if len(std) != len(mean) or min(std, default=0) <= 0 or channels not in (None, len(std)):
            count = channels or len(mean) or 1
            raise ValueError(
                f"data.mean={list(mean)}; each accepts {count} numbers, one per channel, those of std above 0; or null"
            )
        return std


class Model(_Section):
    """A network: `network` names a callable that returns it; the remaining keys are the callable's own arguments.

    `checkpoint`: a state dict to begin from, `.pt` or `.safetensors`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    network: str
    checkpoint: Path | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What it is called with, beside what the data set gives (see `prunelab.network.build`)."""
        return dict(self.model_extra or {})


class Training(_Section):
    """How a network is trained. With no epochs, it is taken as it is."""

    epochs: CountOrZero
    batch_size: Count
    optimizer: Annotated[str, Field(pattern="^(adam|adamw|sgd)$", description="adam, adamw or sgd")]
    learning_rate: Positive
    schedule: Schedule
    weight_decay: NonNegative
    precision: Precision
    monitor: Annotated[str, Field(pattern="^val/(accuracy|loss)$", description="val/accuracy or val/loss")]
    patience: Count | None
    shift: CountOrZero
    flip: Annotated[bool, Field(strict=True, description="true or false")]


class Trainer(_Section):
    """Where and with what a network is trained and pruned; of this, only `arithmetic` and the device change digits."""

    arithmetic: Arithmetic
    accelerator: Annotated[str, Field(pattern="^(cpu|gpu)$", description="cpu or gpu")]
    threads: Count | None
    progress: bool


class Method(_Section):
    """A pruning method: granularity x criterion (`score`) x scope.

    `exclude`: layers left whole, by name or pattern (`stage1.*`). `m`: the size of a group of granularity n_m; `block`:
    (rows, columns) of granularity block.
    """

    name: str
    granularity: GranularityName
    score: str
    scope: Scope
    min_keep: CountOrZero
    exclude: tuple[str, ...] = ()
    m: Count | None = None
    block: Annotated[tuple[Count, Count] | None, Field(description="a list of two whole numbers, rows and columns")] = (
        None
    )


class Calibration(_Section):
    """Training images that scores and recoveries look at."""

    images: Count


class Recovery(_Section):
    """What is done to a pruned network before it is evaluated; `module` has it, and says what its other keys may be."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str
    module: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys that are the recovery's own."""
        return dict(self.model_extra or {})


class Measure(_Section):
    """What is measured of a pruned network beside its accuracy; nothing here changes a result.

    `runtime` is the one that speed is reported of; those of `beside` are timed too. `int8`: quantize, and measure that.
    """

    name: str
    batch_sizes: tuple[Count, ...]
    seconds: Positive
    repeats: Count
    runtime: RuntimeName
    beside: tuple[RuntimeName, ...]
    int8: Annotated[bool, Field(strict=True, description="true or false")]
    file: bool
    log_model: bool


class Until(_Section):
    """Conditions under which pruning goes on (experiment=until); null: no such condition.

    `min_speedup` is a ratio of multiply-adds, counted; `max_ms` the measured time of one batch of the smallest of
    `measure.batch_sizes`; `max_bytes` the size of the saved network.
    """

    max_accuracy_drop: NonNegative | None
    min_speedup: Positive | None
    max_parameters: CountOrZero | None
    max_ms: Positive | None
    max_bytes: Count | None
    resolution: Annotated[
        float, Field(strict=True, ge=0.01, le=50, description="a number from 0.01 to 50, percentage points")
    ]


class Search(_Section):
    """What a search may give up (experiment=search)."""

    tolerance: NonNegative


class Tracking(_Section):
    """The MLflow store."""

    uri: Annotated[
        str,
        Field(
            pattern=r"^(sqlite:////[^/]|https?://.)",
            description="sqlite:////absolute/path.db or http://host:port",
        ),
    ]
    artifacts: Path | None
    experiment_name: str | None
    locks: Path


class Paths(_Section):
    """Folders that other keys are built from."""

    root: Path
    data: Path
    store: Path


class Job(_Section):
    """One job: one method at one percentage on one trained network."""

    data: Data
    model: Model
    training: Training
    trainer: Trainer
    method: Method
    recovery: Recovery
    measure: Measure
    calibration: Calibration
    tracking: Tracking
    percentage: Annotated[
        float,
        Field(
            strict=True,
            ge=0,
            le=100,
            description="a number from 0 to 100, the share of what percentage_of counts that is removed",
        ),
    ]
    percentage_of: PercentageOf
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32, description="a whole number from 0 to 2**32 - 1")]
    name: str
    resume: str | None
    until: Until | None
    search: Search | None
    paths: Paths

    @property
    def run_name(self) -> str:
        """The job's name in the store: `weight-50`."""
        return f"{self.method.name}-{self.percentage:g}"

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment the job is recorded in."""
        return self.tracking.experiment_name or f"{self.data.name.replace('_', '-')}-pruning"


def fingerprint(value: Any) -> str:
    """SHA-256 (64 hexadecimal digits) of a JSON-like value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def read(config: DictConfig) -> Job:
    """The job that a composed configuration describes.

    Raises:
        ConfigError: naming each key that was refused, its value, and what it accepts.
    """
    return job_of(plain(config))


def plain(config: DictConfig) -> dict[str, Any]:
    """The job's own part of a composed configuration, resolved.

    Raises:
        ConfigError: if it does not resolve.
    """
    try:
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", "experiment")])
        own.paths.store = str(Path.cwd() / str(own.paths.store))  # other keys are addresses that begin with it
        resolved: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration does not resolve: {error}") from error
    return dict(resolved)


def job_of(values: dict[str, Any]) -> Job:
    """The job that a resolved configuration describes.

    Raises:
        ConfigError: naming each key that was refused, its value, and what it accepts.
    """
    try:
        return _decided(Job.model_validate(values))
    except ValidationError as error:
        raise ConfigError(refusals(error, Job)) from None


def _decided(job: Job) -> Job:
    """The job with what `auto` means on this machine, and native arithmetic where there is no portable one."""
    if job.trainer.arithmetic is Arithmetic.PORTABLE and (job.trainer.accelerator == "gpu" or not has_avx2()):
        job = job.model_copy(update={"trainer": job.trainer.model_copy(update={"arithmetic": Arithmetic.NATIVE})})
    if job.training.precision is not Precision.AUTO:
        return job
    from prunelab.device import has_bf16  # imports torch

    precision = Precision.BF16 if has_bf16(job.trainer) else Precision.FLOAT32
    return job.model_copy(update={"training": job.training.model_copy(update={"precision": precision})})


def refusals(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """What a model refused, a line for each key: its name, its value, and what it accepts."""
    return "\n".join(_complaint(e, model, prefix) for e in error.errors())


def _complaint(error: Any, model: type[BaseModel], prefix: str) -> str:
    path = [str(part) for part in error["loc"]]
    key = prefix + ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"{key}: no such key"
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "value_error":
        return f"{key}={error['input']} is refused: {error['ctx']['error']}"
    accepted = _accepted(model, path)
    words = f"it accepts {accepted}" if accepted else error["msg"]
    return f"{key}={error['input']} is refused: {words}"


def _accepted(model: Any, path: list[str]) -> str | None:
    """What the key at `path` accepts, in words: the description that stands beside its type, or an enum's values."""
    for depth, name in enumerate(path):
        field = getattr(model, "model_fields", {}).get(name)
        if field is None:
            return None
        if depth < len(path) - 1 and path[depth + 1].isdigit():  # one of a list: what the list accepts
            path = path[: depth + 1]
        parts = getattr(field.annotation, "__args__", (field.annotation,))  # those of an optional field, or it itself
        if depth < len(path) - 1:
            model = next((part for part in parts if hasattr(part, "model_fields")), None)
            continue
        words = [field.description, *(_described(part) for part in parts)]
        found = next((word for word in words if word), None)
        return f"{found} or null" if found and type(None) in parts else found
    return None


def _described(kind: Any) -> str | None:
    """What a type accepts: the description it carries, or an enum's values."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(member.value) for member in kind)
    return next((m.description for m in getattr(kind, "__metadata__", ()) if getattr(m, "description", None)), None)
