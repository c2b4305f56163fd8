"""What `make sweep` left in the store is the report's experiment, whole and exact."""

from __future__ import annotations

import math
from pathlib import Path

from mlflow.tracking import MlflowClient

RANKABLE = {"weight": 2_384_000, "neuron": 2_700}
PERCENTAGES = {0, 20, 30, 40, 50, 60, 70, 80, 90, 99}

client = MlflowClient(f"sqlite:///{Path.cwd() / 'mlruns' / 'mlflow.db'}")
experiment = client.get_experiment_by_name("fashion-mnist-pruning")
assert experiment is not None, "the experiment fashion-mnist-pruning is not in the store"


def runs(condition: str) -> list:
    """Runs of the experiment, newest first."""
    return list(client.search_runs([experiment.experiment_id], condition, order_by=["attributes.start_time DESC"]))


sweep = runs("tags.kind = 'sweep'")[0]
jobs = runs(f"tags.kind = 'job' and tags.mlflow.parentRunId = '{sweep.info.run_id}'")
curves = runs(f"tags.kind = 'curve' and tags.sweep_id = '{sweep.info.run_id}'")
accuracy = {}
assert sweep.info.status == "FINISHED", sweep.info.status
assert len(jobs) == 20, f"{len(jobs)} jobs"
assert sorted(curve.info.run_name for curve in curves) == ["neuron", "weight"]
for job in jobs:
    method, percentage = job.data.params["method"], int(job.data.params["percentage"])
    metrics = job.data.metrics
    assert job.info.status == "FINISHED", (job.info.run_name, job.info.status)
    units = [metrics[f"remaining/layer_{number}"] for number in (1, 2, 3, 4)]
    assert RANKABLE[method] - sum(units) == percentage * RANKABLE[method] // 100, job.info.run_name
    if method == "neuron" and 0 in units:
        assert metrics["test/accuracy"] == 0.1, job.info.run_name
        assert abs(metrics["test/loss"] - math.log(10)) < 1e-4, job.info.run_name
    accuracy[method, percentage] = metrics["test/accuracy"]
assert set(accuracy) == {(method, percentage) for method in RANKABLE for percentage in PERCENTAGES}
baseline = accuracy["weight", 0]
assert baseline >= 0.88, baseline
for percentage in (20, 30, 40, 50):
    assert accuracy["weight", percentage] >= baseline - 0.01, percentage
assert accuracy["neuron", 20] >= baseline - 0.01
assert accuracy["neuron", 60] < 0.80
assert accuracy["neuron", 99] == 0.1
print(f"recorded: 20 jobs, baseline {baseline:.4f}, as the report's experiment should be")
