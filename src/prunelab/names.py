"""The names of runs, metrics, tags and artifacts in the store."""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """The tag `kind`: what a run is."""

    BASELINE = "baseline"
    SWEEP = "sweep"
    JOB = "job"
    CURVE = "curve"


TEST_ACCURACY = "test/accuracy"
TEST_LOSS = "test/loss"
VAL_ACCURACY = "val/accuracy"
VAL_LOSS = "val/loss"
TRAIN_ACCURACY = "train/accuracy"
TRAIN_LOSS = "train/loss"
OF_EPOCHS = (TRAIN_ACCURACY, TRAIN_LOSS, VAL_ACCURACY, VAL_LOSS)
"""Metrics that a training has for each epoch."""
BASELINE_ACCURACY = "baseline/test_accuracy"
BASELINE_LOSS = "baseline/test_loss"
BEST_EPOCH = "best_epoch"
BEST_VAL_ACCURACY = "best/val_accuracy"
BEST_VAL_LOSS = "best/val_loss"
BASELINE_VAL_ACCURACY = "baseline/val_accuracy"
ACCURACY_DROP = "accuracy_drop"
PERCENTAGE = "percentage"
WEIGHTS_TOTAL = "weights/total"
WEIGHTS_REMAINING = "weights/remaining"
NEURONS_TOTAL = "neurons/total"
NEURONS_REMAINING = "neurons/remaining"
REMAINING = "remaining/"  # + layer_1, layer_2, ...
UNITS = "units/"  # the same, before pruning
COMPRESSION_RATIO = "compression_ratio"
THEORETICAL_SPEEDUP = "theoretical_speedup"
PARAMETERS_TOTAL = "parameters/total"
PARAMETERS_REMAINING = "parameters/remaining"
MULTIPLY_ADDS_TOTAL = "multiply_adds/total"
MULTIPLY_ADDS_REMAINING = "multiply_adds/remaining"
MULTIPLY_ADDS = "multiply_adds/"  # + layer_1 ..., the output layer included: those that remain
DIFFERENCE = "compaction/difference"  # largest relative difference of compacted and masked outputs, checked
CALIBRATION_IMAGES = "calibration/images_at_once"
FILE_BYTES = "file/bytes"
FILE_GZIP_BYTES = "file/gzip_bytes"
FILE_DENSE_BYTES = "file/dense_bytes"
FILE_SPARSE_BYTES = "file/sparse_bytes"
BASELINE_FILE_BYTES = "baseline/file_bytes"
ONNX_BYTES = "file/onnx_bytes"
INT8 = "int8/"
INT8_ACCURACY = "int8/test_accuracy"
INT8_LOSS = "int8/test_loss"
INT8_VAL_ACCURACY = "int8/val_accuracy"
INT8_BYTES = "int8/file_bytes"
INT8_BASELINE_ACCURACY = "int8/baseline_test_accuracy"
INT8_BASELINE_BYTES = "int8/baseline_file_bytes"
LATENCY = "latency/"
SPEEDUP = "speedup/"
JOBS_FINISHED = "jobs/finished"
JOBS_FAILED = "jobs/failed"
JOBS_NOT_RUN = "jobs/not_run"
CURVE_ACCURACY = "curve/test_accuracy"
CURVE_LOSS = "curve/test_loss"
UNPRUNED_ACCURACY = "curve/unpruned_accuracy"  # of the first curve from each baseline: the same at every step
UNPRUNED_LOSS = "curve/unpruned_loss"
IQR = "iqr/"  # + the name of a time or speedup: its interquartile range
MEASURED = (LATENCY, SPEEDUP, IQR, INT8, ONNX_BYTES)
"""Prefixes of metrics that depend on the machine: times are never the same twice; what ONNX Runtime computes in int8,
and the bytes that the exporter writes, depend on the processor and on library versions."""

CREATION = "creation"  # of runs on a server: finds the run again whose creation was not confirmed
KIND = "kind"
IMPORTING = "importing"  # instead of a kind: a run that is being imported
IMPORT = "import_id"  # of runs that came with the same import
IMPORTED_FROM = "imported_from"  # the run id in the store where it ran
BASELINE_KEY = "baseline_key"
BASELINE_RUN = "baseline_run_id"
SWEEP_ID = "sweep_id"
VERDICTS = "verdicts"
SWEEP_NAME = "sweep_name"
CONFIG_HASH = "config_hash"
CHECKPOINT_SHA256 = "checkpoint_sha256"
OVERRIDES = "overrides"
RECOVERY_TRAINS = "recovery_trains"
GIT_COMMIT = "git_commit"
GIT_DIRTY = "git_dirty"
SPEED_NOT_MEASURED = "speed_not_measured"
SPEED_UNSTEADY = "speed_unsteady"
SPEED_LOAD = "speed_load"  # how busy the machine was while the networks were timed
SPEED_RUNTIME = "speed_runtime"  # what ran the networks that were timed, with how many threads
INT8_INSTRUCTIONS = "int8_instructions"
INT8_NOT_MEASURED = "int8_not_measured"
FASTEST = "fastest/"  # + batch_1 ...: which form of the pruned network takes least
LAYERS = "layers"  # JSON: the names behind layer_1, layer_2, ... of remaining/ and units/
ALL_LAYERS = "all_layers"  # the same for multiply_adds/
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
SLURM_JOB = "process.slurm_job"  # as squeue shows it: 12, or 12_3 of an array
COLOUR = "mlflow.runColor"

CHECKPOINT = "checkpoint/best.ckpt"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
TRACEBACK_FILE = "traceback.txt"
RESULTS_FILE = "results.csv"
LATEX_FILE = "results.tex"
REPORT_FILE = "report.html"
PLAN_FILE = "plan.json"
NETWORK_FILE = "network.safetensors"
KEPT_FILE = "kept.safetensors"
MODEL = "model"
DIGESTS = {CHECKPOINT: CHECKPOINT_SHA256, NETWORK_FILE: "network_sha256", KEPT_FILE: "kept_sha256"}
"""Artifacts whose SHA-256 is recorded, and the tags that hold it."""
FIGURES = "figures"
SWEEP_COLUMN = "sweep"
"""The column that names the sweep of a row, in tables of several sweeps."""


def layer(prefix: str, number: int) -> str:
    """The metric that counts units of hidden layer `number`, from 1: `remaining/layer_1`, `units/layer_1`."""
    return f"{prefix}layer_{number}"


def speedup(batch_size: int) -> str:
    """The metric of a measured speedup: `speedup/batch_1024`."""
    return f"{SPEEDUP}batch_{batch_size}"


def latency(batch_size: int, form: str = "") -> str:
    """The metric of a latency, of one form or the fastest: `latency/csr_batch_1_ms`, `latency/batch_1_ms`."""
    return f"{LATENCY}{form and form + '_'}batch_{batch_size}_ms"


def int8(metric: str) -> str:
    """The same metric of the quantized network: `int8/latency/batch_1_ms`, `int8/speedup/batch_1`."""
    return f"{INT8}{metric}"


def iqr(metric: str) -> str:
    """The interquartile range of a measured time or speedup: `iqr/speedup/batch_1`."""
    return f"{IQR}{metric}"
