"""What `make sweep` left in the store is the published report's experiment, whole and exact.

Under portable arithmetic every digit is that of the seeds that come with prunelab. Under another the network is
another draw: each of the 19 accuracies that vary has to lie where, were they normally distributed over seeds, 99.9% of
draws lie (Student's t, 9 degrees of freedom, allowing for the estimated mean): at most one correct run in 50 fails.
"""

from __future__ import annotations

import math
from pathlib import Path

from mlflow.tracking import MlflowClient
from scipy.stats import t as student

from prunelab.report.report_seeds import recorded

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

seeds = recorded()
assert seeds is not None, "report_seeds.csv is missing"
for job in jobs:
    method, percentage = job.data.params["method"], int(job.data.params["percentage"])
    of_job = seeds[1].query("method == @method and percentage == @percentage")
    assert of_job["seed"].nunique() == 10, (method, percentage)
    found, same = job.data.metrics, of_job[of_job["seed"] == 0].iloc[0]
    if job.data.params["arithmetic"] == "portable":
        for metric in ("test/accuracy", "test/loss"):
            assert found[metric] == same[metric], (job.info.run_name, metric, found[metric], same[metric])
    else:
        values = of_job["test/accuracy"]
        reach = student.ppf(0.9995, len(values) - 1) * values.std() * math.sqrt(1 + 1 / len(values)) + 1e-4
        assert abs(found["test/accuracy"] - values.mean()) <= reach, (job.info.run_name, found["test/accuracy"])
arithmetic = jobs[0].data.params["arithmetic"]
print(f"recorded: 20 jobs, {arithmetic}, unpruned {accuracy['weight', 0]:.4f}, as the report's experiment should be")
