"""`make peers`: Torch-Pruning and prunelab on the same trained networks, without retraining.

    python -m benchmarks.peers [MODEL ...] [--seeds N] [--removed PERCENT,PERCENT] [--write] [KEY=VALUE ...]

Networks are those of `model=` (default: mlp, resnet8, vgg_small) for seeds 0 to N - 1 (default 3), from the store that
`tracking.uri=` names, or trained into the benchmarks' own. prunelab removes a percentage of the multiply-adds; then
Torch-Pruning, with every importance and scope, the most that still leaves as many. Both see the same training images,
and labels where they want them. All networks of a seed are timed in turns in ONNX Runtime. `--write` puts the tables
into docs/peers.md. Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

import prunelab
from benchmarks import subject
from benchmarks import torch_pruning as peer
from benchmarks.peers_table import DENSE_ROW, Entry, page
from prunelab.arithmetic.process import torchs_own_operators
from prunelab.compose import split_arguments
from prunelab.config import Job
from prunelab.data.dataset import Dataset, dataset_of
from prunelab.errors import ConfigError, PrunelabError
from prunelab.identity import threads_of
from prunelab.job import check
from prunelab.measure.latency import DENSE, Latency, latency
from prunelab.measure.quality import evaluate
from prunelab.network.subject import graph_of
from prunelab.pruning.calibration import Calibration, calibration
from prunelab.pruning.granularity import granularity_of
from prunelab.pruning.prune import Pruned
from prunelab.recovery.batch_norm import reestimated
from prunelab.runtime.onnx import onnx_bytes, onnx_runner
from prunelab.tracking.opening import open_store
from prunelab.training.baseline import baseline

MODELS = {"mlp": (50, 80, 90), "resnet8": (50, 75), "vgg_small": (50, 75)}
"""Percent of multiply-adds removed from each network."""
OTHERS = (20, 40, 60)
OURS = ("neuron_activation", "neuron_obs")
STEPS = 4
"""Of least squares."""
BATCH = 64
SECONDS = 0.1
FILE = Path(__file__).parents[1] / "docs" / "peers.md"


def main() -> None:
    """Compare, print, and with --write keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--removed", type=_percentages, metavar="PERCENT,PERCENT", help="of the multiply-adds")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/peers.md")
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    try:
        entries = [
            entry
            for model in arguments.models
            for seed in range(arguments.seeds)
            for entry in compared(
                subject.composed(f"model={model}", "method=neuron_activation", f"seed={seed}", *overrides),
                arguments.removed or MODELS.get(model, OTHERS),
            )
        ]
    except PrunelabError as error:
        sys.exit(f"benchmarks.peers: {error}")
    asked = " ".join(part for part in sys.argv[1:] if part != "--write" and not part.startswith("tracking."))
    text = page(entries, BATCH, STEPS, version("torch-pruning"), asked)
    print(text)
    if arguments.write:
        FILE.write_text(text, encoding="utf-8")


def compared(wanted: Job, removed: Iterable[float]) -> list[Entry]:
    """The trained network of a job, pruned by everyone to the same multiply-adds.

    Raises:
        PrunelabError: if the job cannot be run.
    """
    check(wanted)
    torch.set_num_threads(threads_of(wanted))
    dataset = dataset_of(wanted.data)
    trained = baseline(wanted, dataset, open_store(wanted.tracking, wanted.experiment_name))
    given = calibration(dataset.train, wanted.calibration.images, wanted.seed)
    graph = graph_of(wanted.model, dataset)
    ready = {name: peer.prepared(trained.network, name, given) for name in peer.IMPORTANCES}

    def finished(network: nn.Module) -> nn.Module:
        """With BatchNorm's statistics estimated again, by the same function as for prunelab's networks."""
        return reestimated(Pruned(network, graph, [], {}, granularity_of(wanted.method)), given).network

    entries = []
    for percentage in removed:
        print(f"{wanted.model.name}, seed {wanted.seed}: {percentage:g}% ...", file=sys.stderr, flush=True)
        entries += _at(wanted, trained.network, dataset, given, ready, percentage, finished)
    return entries


def _at(
    wanted: Job,
    dense: nn.Module,
    dataset: Dataset,
    given: Calibration,
    ready: dict[str, peer.Prepared],
    percentage: float,
    finished: Callable[[nn.Module], nn.Module],
) -> list[Entry]:
    """Everyone at one percentage: prunelab first, which decides how many multiply-adds the others have to leave."""
    networks: dict[str, tuple[nn.Module, float]] = {DENSE_ROW: (dense, 0.0)}
    for method in OURS:
        start = time.perf_counter()
        try:
            small = prunelab.prune(
                *(dense, given.images, method, percentage, "multiply_adds", "least_squares"),
                recovery_options={"steps": STEPS, "batch_norm": True},
                seed=wanted.seed,
            ).network
        except ConfigError as refusal:
            print(f"  {method}: {refusal}", file=sys.stderr)
            continue
        networks[f"prunelab, {method}, least squares"] = (small, time.perf_counter() - start)
    example = given.images[:1]
    left = max((peer.counted(network, example) for network, _ in list(networks.values())[1:]), default=None)
    if left is None:
        return []
    for name, own in ready.items():
        for scope in peer.SCOPES:
            try:
                found = peer.pruned(own, scope, left)
            except peer.NothingToPrune:
                continue
            networks[f"Torch-Pruning, {name}, {scope}"] = (finished(found.network), found.seconds)
    times = _times([network for network, _ in networks.values()], dataset)
    entries = []
    for (name, (network, seconds)), form in zip(networks.items(), times.turns, strict=True):
        test, validation = evaluate(network, dataset.test), evaluate(network, dataset.validation)
        speedup = None if form == DENSE or not times.steady([DENSE, form]) else times.speedup(form).median
        macs = peer.counted(network, example) / peer.counted(dense, example)
        entries.append(
            Entry(
                *(wanted.model.name, wanted.data.name, wanted.seed, percentage, name),
                *(macs, test.accuracy, validation.accuracy, speedup, seconds),
            )
        )
    return entries


def _times(networks: Sequence[nn.Module], dataset: Dataset) -> Latency:
    """The times of a batch in ONNX Runtime; the first network is the unpruned one, which is timed twice."""
    models = [onnx_bytes(network, dataset.shape) for network in networks]
    forms = {str(number) if number else DENSE: onnx_runner(content) for number, content in enumerate(models)}
    with torchs_own_operators():
        return latency(forms, dataset.test.take(BATCH), BATCH, SECONDS, 1, placebo=onnx_runner(models[0]))


def _percentages(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < each < 100 for each in found):
        raise argparse.ArgumentTypeError(f"{text} is refused: it accepts numbers between 0 and 100 with commas between")
    return found


if __name__ == "__main__":
    main()
