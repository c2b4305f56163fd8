"""Configuration keys that accept one of a few values."""

from __future__ import annotations

from enum import Enum


class GranularityName(str, Enum):
    """What one prunable unit is: see `prunelab.pruning.granularity`."""

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
    """How units of different layers are ranked.

    By score alone, by score divided by the layer's mean, within each layer (the same share of every layer is removed),
    or by how sensitive the network is to pruning in each layer (`prunelab.pruning.sensitivity`).
    """

    GLOBAL = "global"
    GLOBAL_NORMALISED = "global_normalised"
    LAYER = "layer"
    SENSITIVITY = "sensitivity"


class Optimizer(str, Enum):
    """The optimiser."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"
    MUON = "muon"


class Schedule(str, Enum):
    """The learning rate during training: constant, or down to zero, linearly or along the REX curve.

    Decaying to zero within the given number of epochs is budgeted training (Li, Yumer and Ramanan 2020; after pruning,
    Zimmer, Spiegel and Pokutta 2023). REX (Chen, Wolfe and Kyrillidis 2022) stays high for longer.
    """

    CONSTANT = "constant"
    LINEAR = "linear"
    REX = "rex"


class Precision(str, Enum):
    """The precision of training; `bf16` is mixed: weights and their updates stay float32.

    `auto` is whichever is faster on this machine; jobs are run and recorded with what that is.
    """

    FLOAT32 = "float32"
    BF16 = "bf16"
    AUTO = "auto"


class RuntimeName(str, Enum):
    """What runs a network while it is timed; `auto`: onnxruntime on a CPU with the extra `onnx`, else eager."""

    AUTO = "auto"
    EAGER = "eager"
    COMPILE = "compile"
    ONNXRUNTIME = "onnxruntime"
