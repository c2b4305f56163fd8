"""What is timed is the network, in each of its forms; speedups survive a machine that is slow for a while, and what
scatters is measured again, and said so.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from tests.small import Residual, mlp
from torch import Tensor, nn

from prunelab.choices import RuntimeName
from prunelab.compose import compose_job
from prunelab.config import Measure
from prunelab.graph.analyse import analyse
from prunelab.measure import latency as measuring
from prunelab.measure import metrics
from prunelab.measure.forms import COMPACTED, CSR, INT8, INT8_DENSE, MASKED, Forms, Networks, forms
from prunelab.measure.latency import ATTEMPTS, DENSE, STEADY, TURNS, Latency, latency
from prunelab.measure.load import Load
from prunelab.network.chain import chain, csr_chain
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.prune import Pruned, prune
from prunelab.runtime import onnx
from prunelab.runtime.int8 import quantized

CPU = torch.device("cpu")
EAGER = compose_job(["measure.runtime=eager"]).measure
ONNX = compose_job(["measure.runtime=onnxruntime"]).measure


def pruned(dense: nn.Module, method: str, percentage: float, images: Tensor) -> Pruned:
    given = Calibration(images, torch.randint(4, (len(images),)), seed=0)
    return prune(dense, analyse(dense, images), compose_job([f"method={method}"]).method, percentage, given)


def networks(dense: nn.Module, result: Pruned, shape: tuple[int, int, int]) -> Networks:
    return Networks(dense.eval(), result, compact(result).network, shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("percentage", [0.0, 60.0, 100.0])
@pytest.mark.parametrize("method", ["weight", "neuron"])
@pytest.mark.parametrize("measure", [EAGER, ONNX], ids=["eager", "onnxruntime"])
def test_every_form_that_is_timed_computes_the_same(
    measure: Measure, method: str, percentage: float, bias: bool
) -> None:
    dense, images = mlp(9, 4, [8, 7], bias, "gelu"), torch.rand(11, 1, 3, 3)
    result = pruned(dense, method, percentage, images)
    found = forms(networks(dense, result, (1, 3, 3)), measure, CPU)
    masked = [MASKED] if measure is EAGER else []
    sparse = [CSR] if method == "weight" else []
    assert set(found.reported) == {*masked, COMPACTED, *sparse}
    assert set(found.operators) == {DENSE, *found.reported}
    with torch.no_grad():
        for name, form in found.operators.items():
            expected = (dense if name == DENSE else result.network)(images)
            assert torch.allclose(torch.as_tensor(form(images)), expected, atol=1e-5), name


def test_a_network_that_is_no_chain_is_timed_as_it_is() -> None:
    other, images = Residual().eval(), torch.rand(5, 4, 6, 6)
    assert chain(other) is other
    assert csr_chain(other) is None
    result = pruned(other, "weight", 50.0, images)
    found = forms(networks(other, result, (4, 6, 6)), EAGER, CPU)
    assert set(found.operators) == {DENSE, MASKED, COMPACTED}
    assert found.operators[MASKED] is result.network
    assert found.runtime.startswith("torch ")


def test_other_runtimes_and_int8_are_timed_beside_the_reported_one() -> None:
    dense, images = mlp(9, 4, [8, 7]), torch.rand(11, 1, 3, 3)
    every = networks(dense, pruned(dense, "neuron", 50.0, images), (1, 3, 3))
    models = tuple(
        quantized(onnx.onnx_bytes(each, (1, 3, 3)), images.numpy()) for each in (every.dense, every.compacted)
    )
    measure = ONNX.model_copy(update={"beside": (RuntimeName.EAGER,)})
    found = forms(every, measure, CPU, (models[0], models[1]))
    assert found.reported == (COMPACTED,)
    assert {"eager_dense", "eager_masked", "eager_compacted", INT8, INT8_DENSE} < set(found.operators)
    assert found.onnx_bytes == len(onnx.onnx_bytes(every.compacted, (1, 3, 3)))
    measured = latency(found.operators, images, 3, 0.0001, 1, attempts=1)
    recorded = metrics.speeds([measured], found)
    for name in ("int8/latency/batch_3_ms", "int8/latency/dense_batch_3_ms", "int8/speedup/batch_3"):
        assert recorded[name] > 0
        assert recorded[f"iqr/{name}"] >= 0
    assert recorded["latency/eager_compacted_batch_3_ms"] > 0
    assert recorded["latency/batch_3_ms"] == recorded["latency/compacted_batch_3_ms"]


QUIET, BUSY = Load(0.1, own=2, cores=2, average=2.0), Load(1.9, own=2, cores=2, average=4.0)


class Clock:
    """A clock that only advances when a form is run, on a machine that others leave alone, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, load: Load = QUIET) -> None:
        self.now, self.calls = 0.0, 0
        monkeypatch.setattr(measuring.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(measuring, "watching", lambda: lambda: load)

    def form(self, seconds: Callable[[int], float]) -> Callable[[Tensor], Tensor]:
        """Takes `seconds`, given how many calls there were of any form."""

        def run(images: Tensor) -> Tensor:
            self.calls += 1
            self.now += seconds(self.calls)
            return images

        return run


def test_a_slower_form_measures_slower_and_the_fastest_pruned_one_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    seconds = {DENSE: 0.004, MASKED: 0.008, COMPACTED: 0.001, CSR: 0.016}
    every = {name: clock.form(lambda calls, own=own: own) for name, own in seconds.items()}
    found = latency(every, torch.rand(5, 3), 2, seconds=0.1, repeats=2)
    for name, own in seconds.items():
        assert found.milliseconds(name).median == pytest.approx(1000 * own)
    assert len(found.turns[DENSE]) == 2 * TURNS
    assert found.fastest([MASKED, COMPACTED, CSR]) == COMPACTED
    assert found.speedup(COMPACTED).median == pytest.approx(4)
    tags = metrics.fastest([found], Forms(every, (MASKED, COMPACTED, CSR), "a runtime, 1 thread", None))
    assert tags == {"fastest/batch_2": COMPACTED, "speed_runtime": "a runtime, 1 thread", "speed_load": str(QUIET)}


def test_a_machine_that_becomes_slower_on_the_way_changes_no_speedup(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    slowly = {
        DENSE: clock.form(lambda calls: 0.04 * (1 + calls / 100)),
        COMPACTED: clock.form(lambda calls: 0.01 * (1 + calls / 100)),
    }
    found = latency(slowly, torch.rand(5, 3), 1, seconds=0.1, repeats=4)
    assert found.turns[DENSE][-1] > 1.3 * found.turns[DENSE][0]
    assert found.speedup(COMPACTED).median == pytest.approx(4, rel=0.02)


def test_what_scatters_is_measured_again_and_tagged_if_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(until: int) -> tuple[Latency, int]:
        clock = Clock(monkeypatch)
        every = {
            DENSE: clock.form(lambda calls: 0.04 if calls > until or calls % 4 < 2 else 0.12),
            COMPACTED: clock.form(lambda calls: 0.01),
        }
        return latency(every, torch.rand(5, 3), 1, seconds=0.125, repeats=1), clock.calls

    steady, few = attempt(until=0)
    assert steady.unsteadiness([DENSE, COMPACTED]) <= STEADY
    settled, more = attempt(until=few)
    assert settled.milliseconds(DENSE).median == pytest.approx(40)
    assert settled.unsteadiness([DENSE, COMPACTED]) <= STEADY
    restless, most = attempt(until=10**9)
    assert few < more < most <= few + (ATTEMPTS - 1) * (few + 8)
    tags = metrics.fastest([restless], Forms({DENSE: torch.relu}, (COMPACTED,), "", None))
    assert tags["speed_unsteady"].startswith("batch 1: ")
    assert not metrics.time(restless, Forms({}, (COMPACTED,), "", None)).steady


def test_a_dense_network_that_disagrees_with_its_other_instance_makes_everything_unsteady(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As seen on a busy machine: 3.84 ms and .26 ms for equal networks, each of them in every round."""

    def attempt(until: int, attempts: int = ATTEMPTS) -> tuple[Latency, int]:
        clock = Clock(monkeypatch)
        every = {
            DENSE: clock.form(lambda calls: 0.00384 if calls <= until else 0.00026),
            COMPACTED: clock.form(lambda calls: 0.00026),
        }
        placebo = clock.form(lambda calls: 0.00026)
        found = latency(every, torch.rand(5, 3), 1, seconds=0.05, repeats=1, attempts=attempts, placebo=placebo)
        return found, clock.calls

    quiet, _ = attempt(until=0)
    assert quiet.steady([DENSE, COMPACTED])
    assert len(quiet.placebo) == TURNS
    _, one = attempt(until=10**9, attempts=1)
    settled, two = attempt(until=one)
    assert settled.steady([DENSE, COMPACTED])
    assert settled.milliseconds(DENSE).median == pytest.approx(0.26)
    busy, three = attempt(until=10**9)
    assert one < two < three < ATTEMPTS * one
    assert busy.unsteadiness([DENSE, COMPACTED]) < 0.01
    assert busy.disagreement == pytest.approx(3.84 / 0.26 - 1)
    assert not metrics.time(busy, Forms({}, (COMPACTED,), "", None)).steady
    tags = metrics.fastest([quiet, busy], Forms({DENSE: torch.relu}, (COMPACTED,), "", None))
    assert tags["speed_unsteady"] == "batch 1: the unpruned network timed twice differs by 1377%"


def test_times_that_were_taken_while_others_had_the_cores_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen: the dense networks agree, and a network in int8 takes four times as long as on a quiet machine."""
    clock = Clock(monkeypatch, BUSY)
    every = {DENSE: clock.form(lambda calls: 0.004), COMPACTED: clock.form(lambda calls: 0.002)}
    found = latency(every, torch.rand(5, 3), 1, seconds=0.05, repeats=1, placebo=clock.form(lambda calls: 0.004))
    assert found.unsteadiness([DENSE, COMPACTED]) == pytest.approx(0, abs=1e-9)
    assert not found.steady([DENSE, COMPACTED])
    tags = metrics.fastest([found], Forms({DENSE: torch.relu}, (COMPACTED,), "", None))
    assert tags["speed_unsteady"] == "batch 1: 1.9 cores were missing"
    assert tags["speed_load"] == str(BUSY)


def test_it_does_not_matter_which_instance_is_the_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    own, slow = clock.form(lambda calls: 0.002), clock.form(lambda calls: 0.0023)
    found = latency({DENSE: own}, torch.rand(5, 3), 1, seconds=0.05, repeats=1, placebo=slow)
    assert found.disagreement == pytest.approx(0.15)
    assert not found.steady([DENSE])


@pytest.mark.parametrize("measure", [EAGER, ONNX], ids=["eager", "onnxruntime"])
def test_the_placebo_is_the_dense_network_in_an_instance_of_its_own(measure: Measure) -> None:
    dense, images = mlp(9, 4, [8, 7]), torch.rand(11, 1, 3, 3)
    every = networks(dense, pruned(dense, "neuron", 60.0, images), (1, 3, 3))
    found = forms(every, measure, CPU)
    with torch.no_grad():
        expected = dense(images)
        for weight in dense.parameters():
            weight.zero_()
        assert found.placebo is not None
        assert torch.allclose(torch.as_tensor(found.placebo(images)), expected, atol=1e-5)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_a_batch_has_the_size_that_was_asked_for(size: int) -> None:
    seen = set()
    latency({DENSE: lambda given: seen.add(given.shape)}, torch.rand(5, 3), size, 0.0001, 1)  # type: ignore
    assert seen == {(size, 3)}


def test_a_form_that_is_far_slower_is_timed_once_and_the_others_as_ever() -> None:
    def sleeping(milliseconds: float) -> Callable[[Tensor], Tensor]:
        def call(images: Tensor) -> Tensor:
            time.sleep(milliseconds / 1000)
            return images

        return call

    timed = {DENSE: sleeping(4), "fast": sleeping(2), "slow": sleeping(40)}
    found = latency(timed, torch.rand(2, 3), 2, seconds=0.02, repeats=1, attempts=1, placebo=sleeping(4))
    assert [len(found.turns[form]) for form in timed] == [TURNS, TURNS, 1]
    assert found.fastest(["fast", "slow"]) == "fast"
    assert found.speedup("slow").median < 0.2
    assert found.speedup("fast").median > 1
    assert found.disagreement < 1
