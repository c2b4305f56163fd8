"""Configuration schema: every key, its type and its bounds.

Hydra composes `conf/` and refuses unknown keys and options; `prunelab.reading` makes a `Job` of the result, and the
rest of the package sees nothing but that. Defaults are in the YAML files alone.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from prunelab.arithmetic.environment import Arithmetic
from prunelab.choices import GranularityName, Optimizer, PercentageOf, Precision, RuntimeName, Schedule, Scope

Count = Annotated[int, Field(strict=True, ge=1, description="a whole number, at least 1")]
CountOrZero = Annotated[int, Field(strict=True, ge=0, description="a whole number, at least 0")]
Positive = Annotated[float, Field(strict=True, gt=0, description="a number above 0")]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32, description="a whole number from 0 to 2**32 - 1")]
REMOVED = "a number from 0 to 100: percent to remove, of what percentage_of counts"
Percentage = Annotated[float, Field(strict=True, ge=0, le=100, description=REMOVED)]
NonNegative = Annotated[float, Field(strict=True, ge=0, description="a number, at least 0")]
Share = Annotated[float, Field(strict=True, ge=0, le=1, description="a number from 0 to 1")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Open(_Section):
    """A section that names a callable; its remaining keys, the `options`, are that callable's own."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def options(self) -> dict[str, Any]:
        """The keys that only the callable knows."""
        return dict(self.model_extra or {})


class Data(_Open):
    """A data set: `loader` names the function that returns it (see `prunelab.data.dataset`).

    Keys that may be null may be left out of a YAML file of your own.
    """

    name: str
    loader: str
    folder: Path
    validation: Count
    split_seed: CountOrZero
    channels: Annotated[Literal[1, 3] | None, Field(description="1 (grey) or 3 (colour)")] = None
    mean: Annotated[tuple[float, ...] | None, Field(description="a list of numbers, one per channel,")] = None
    std: tuple[float, ...] | None = Field(None, validate_default=True)

    @field_validator("std")
    @classmethod
    def _fits(cls, std: tuple[float, ...] | None, found: ValidationInfo) -> tuple[float, ...] | None:
        """Check that mean and std are both given or both null, with one number per channel if `channels` is known."""
        mean, channels = found.data.get("mean"), found.data.get("channels")
        if "mean" in found.data and (mean is None) != (std is None):
            raise ValueError("data.mean and data.std must both be lists, or both null")
        if std is None or mean is None:
            return std
        if len(std) != len(mean) or min(std, default=0) <= 0 or channels not in (None, len(std)):
            count = channels or len(mean) or 1
            raise ValueError(
                f"data.mean={list(mean)}; each accepts {count} numbers, one per channel, those of std above 0; or null"
            )
        return std


class Model(_Open):
    """A network: `network` names a callable that returns it, called with the options and what the data set gives.

    `checkpoint`: a state dict to begin from, `.pt` or `.safetensors`.
    """

    name: str
    network: str
    checkpoint: Path | None = None


class Training(_Section):
    """How a network is trained; with 0 epochs, not at all. `shift` (pixels) and `flip` augment the images."""

    epochs: CountOrZero
    batch_size: Count
    optimizer: Optimizer
    learning_rate: Positive
    schedule: Schedule
    weight_decay: NonNegative
    precision: Precision
    monitor: Annotated[str, Field(pattern="^val/(accuracy|loss)$", description="val/accuracy or val/loss")]
    patience: Count | None
    shift: CountOrZero
    flip: Annotated[bool, Field(strict=True, description="true or false")]


class Trainer(_Section):
    """Where a network is trained and pruned; of this, only `arithmetic` and `accelerator` change results."""

    arithmetic: Arithmetic
    accelerator: Annotated[str, Field(pattern="^(cpu|gpu)$", description="cpu or gpu")]
    threads: Count | None
    progress: bool


class Method(_Section):
    """A pruning method: granularity x criterion (`score`) x scope.

    `exclude`: layers to skip, by name or pattern (`stage1.*`). `m`: the size of a group of granularity n_m; `block`:
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
    """How many training images scores and recoveries are computed from."""

    images: Count


class Recovery(_Open):
    """What is done to a pruned network before it is evaluated; `module` implements it and defines its options."""

    name: str
    module: str


class Retraining(BaseModel):
    """Options shared by all built-in recoveries that train: see `prunelab.recovery.finetune`."""

    epochs: Count
    batch_size: Count
    optimizer: Optimizer | None = None  # of jobs from before this key: that of the training
    learning_rate: Positive
    schedule: Schedule
    distillation: Share
    temperature: Positive


class Measure(_Section):
    """What is measured of a pruned network besides its accuracy; nothing here changes a result.

    `runtime`: whose speed is reported; `beside`: others to time too. `int8`: also measure the quantized network.
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
    """Conditions of experiment=until; null: no such condition. `max_accuracy_drop` is a fraction, on validation.

    `min_speedup` is theoretical, a ratio of MACs, counted; `max_ms` the measured time (ms) of one batch of the smallest
    of `measure.batch_sizes`; `max_bytes` the size of the saved network (bytes).
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
    """`tolerance`: the drop in validation accuracy that a search accepts. `seeds`: a trial is the mean over these."""

    tolerance: NonNegative
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None


class Tracking(_Section):
    """The MLflow store."""

    uri: Annotated[
        str,
        Field(pattern=r"^(sqlite:////[^/]|https?://.)", description="sqlite:////absolute/path.db or http://host:port"),
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
    percentage: Percentage
    percentage_of: PercentageOf
    seed: Seed
    name: str
    resume: str | None
    until: Until | None
    search: Search | None
    paths: Paths

    @property
    def run_name(self) -> str:
        """The job's name in the store: `weight-50`."""
        return f"{self.method.name}-{self.percentage:g}"

    def name_with(self, keys: Collection[str]) -> str:
        """The same with the `recovery` and the `seed`, where these are among the keys: `weight-50-finetune-seed1`."""
        recovery = "" if self.recovery.name == "none" or "recovery" not in keys else f"-{self.recovery.name}"
        return f"{self.run_name}{recovery}" + (f"-seed{self.seed}" if "seed" in keys else "")

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment the job is recorded in."""
        return self.tracking.experiment_name or f"{self.data.name.replace('_', '-')}-pruning"
