"""What a sweep is going to do: which jobs it adds, and how these are told apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from tests.conftest import SMALL

from prunelab.reading import CONF
from prunelab.sweep.plan import Planner


@pytest.fixture(scope="module")
def planner() -> Iterator[Planner]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield Planner(loader.load_configuration("config", ["hydra.job.num=0"], RunMode.MULTIRUN), loader)
    HydraConfig.instance().cfg = None


def combination(**settings: str) -> dict[str, str]:
    return {**dict(setting.split("=") for setting in SMALL), **settings}


def test_a_recovery_that_trains_brings_the_unpruned_network_trained_as_long_once(planner: Planner) -> None:
    asked = [combination(recovery="finetune", percentage=percentage) for percentage in ("50", "80")]
    planned = planner.plan(asked)
    assert [job.job.run_name for job in planned.jobs] == ["weight-0", "weight-50", "weight-80"]
    assert planned.jobs[0].overrides == {**asked[0], "percentage": "0"}
    assert [job.job.run_name for job in planner.plan([combination(percentage="50")]).jobs] == ["weight-50"]


def test_nothing_is_added_to_an_adaptive_sweep(planner: Planner) -> None:
    planned = planner.plan([combination(recovery="finetune")], lambda job: {"seed": job.seed})
    assert len(planned.jobs) == 1
    assert planned.adaptive
    assert planned.record["conditions"] == {"seed": 0}
    assert planned.without({job.hash for job in planned.jobs}) == planned


def test_jobs_of_one_name_are_labelled_with_what_differs(planner: Planner) -> None:
    rate = "training.learning_rate"
    planned = planner.plan([combination(**{rate: value, "percentage": "50"}) for value in ("0.1", "0.2", "0.1")])
    assert list(planned.labels.values()) == [f"weight-50 {rate}=0.1", f"weight-50 {rate}=0.2"]
    assert (rate, "0.1") not in planned.common
    assert ("percentage", "50") in planned.common
