"""What keys with a few values accept."""

from __future__ import annotations

from enum import Enum


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
    """How units of different layers compare.

    By score alone, by score over its layer's mean, not at all (the same share of every layer goes), or by how sensitive
    the network is to pruning in each layer (`prunelab.pruning.sensitivity`).
    """

    GLOBAL = "global"
    GLOBAL_NORMALISED = "global_normalised"
    LAYER = "layer"
    SENSITIVITY = "sensitivity"


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
