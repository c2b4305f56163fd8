"""Jobs composed from shared parts are, to the last key, what Hydra composes; and they take a fraction of its time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from tests.conftest import SMALL, Project, examples

from prunelab.config import Job
from prunelab.errors import ConfigError
from prunelab.reading import CONF, read
from prunelab.sweep import launch as launch_module
from prunelab.sweep.combinations import Combination, as_overrides
from prunelab.sweep.composing import composer
from prunelab.sweep.plan import PlannedJob
from prunelab.tracking.store import Store

PLAIN = {
    "percentage": ["0", "12.5", "99", "101", "-1", "many", "null", "1e1", "'50'"],
    "seed": ["0", "7", "-1", "true", "1.5"],
    "percentage_of": ["units", "parameters", "nothing"],
    "training.epochs": ["1", "3", "[1]", "${seed}"],
    "training.learning_rate": ["0.1", "1", "inf", "nan"],
    "model.bias": ["true", "false"],
    "model.hidden": ["[8]", "[16,8]", "[[1]]", "8"],
    "method.exclude": ["[]", "[a]", "['stage1.*']"],
    "method.scope": ["layer", "global"],
    "recovery.batch_norm": ["true"],
    "name": ["a", "'b c'", "'$x'", "'???'"],
    "tracking.experiment_name": ["e", "null"],
    "data.validation": ["100", "200"],
    "data.mean": ["[0.5]", "null"],
    "paths.root": ["/tmp/x", "'/tmp/a b'"],
    "paths.store": ["/tmp/y"],
    "data.folder": ["/tmp/data", "${paths.root}"],
    "until": ["null", "{max_accuracy_drop:0.1,min_speedup:null,max_parameters:null,resolution:1}"],
    "until.resolution": ["2"],
    "no.such.key": ["1"],
    "+model.extra": ["1"],
    "hydra.job.name": ["x"],
}
GROUPS = {
    "method": ["weight", "neuron", "weight_n_m"],
    "recovery": ["none", "least_squares", "finetune"],
    "training": ["default", "lenet"],
    "model": ["mlp_small", "mlp"],
    "data": ["digits"],
    "tracking": ["server", "local"],
    "experiment": ["until"],
}
CHOICES = [(key, value) for options in (PLAIN, GROUPS) for key, values in options.items() for value in values]


@pytest.fixture(scope="module")
def hydra() -> Iterator[tuple[DictConfig, ConfigLoader]]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield loader.load_configuration("config", ["hydra.job.num=0"], RunMode.MULTIRUN), loader
    HydraConfig.instance().cfg = None


def by_hydra(config: DictConfig, loader: ConfigLoader, combination: Combination) -> Job:
    composed = loader.load_sweep_config(config, as_overrides(combination))
    HydraConfig.instance().set_config(composed)
    return read(composed)


def outcome(compose: object, *arguments: object) -> object:
    """The job, or the kind and the words of the refusal."""
    try:
        job = compose(*arguments)  # type: ignore[operator]
    except Exception as error:
        return type(error), str(error)
    return job.model_dump()


@pytest.mark.slow
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from(CHOICES), max_size=6).map(dict), min_size=1, max_size=3))
def test_a_job_is_what_hydra_composes_or_is_refused_in_the_same_words(
    hydra: tuple[DictConfig, ConfigLoader], jobs: list[Combination]
) -> None:
    compose = composer(*hydra)
    for job in jobs:  # one composer: what it keeps of one job must not show in the next
        assert outcome(compose, job) == outcome(by_hydra, *hydra, job), job


def test_lists_are_not_shared_between_jobs(hydra: tuple[DictConfig, ConfigLoader]) -> None:
    compose = composer(*hydra)
    first, second = compose({"model": "mlp_small", "model.hidden": "[8]"}), compose({"model": "mlp_small"})
    assert first.model.options["hidden"] == [8]
    assert second.model.options["hidden"] == [64, 48, 32]


def test_an_interpolation_in_a_config_of_ones_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    text = (CONF / "method" / "weight.yaml").read_text()
    (tmp_path / "method" / "mine.yaml").write_text(text.replace("min_keep: 0", "min_keep: ${seed}"))
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", [f"hydra.searchpath=[file://{tmp_path}]"], RunMode.MULTIRUN)
        compose = composer(config, loader)
        assert [compose({"method": "mine", "seed": str(seed)}).method.min_keep for seed in (3, 4)] == [3, 4]
    HydraConfig.instance().cfg = None


def test_composing_a_job_takes_less_than_a_fifteenth_of_hydras_time(hydra: tuple[DictConfig, ConfigLoader]) -> None:
    compose = composer(*hydra)
    jobs = [{"data": "digits", "model": "mlp_small", "percentage": str(n), "seed": str(n % 3)} for n in range(60)]
    compose(jobs[0])
    ours, theirs = [], []
    for number in range(0, 60, 10):  # in turn, so that both see the same machine
        started = time.perf_counter()
        for job in jobs[number : number + 10]:
            compose(job)
        ours.append((time.perf_counter() - started) / 10)
        started = time.perf_counter()
        by_hydra(*hydra, jobs[number])
        theirs.append(time.perf_counter() - started)
    assert median(ours) < median(theirs) / 15
    print(f"{1000 * median(ours):.2f} ms, Hydra {1000 * median(theirs):.1f} ms")


def test_a_key_of_an_option_that_is_chosen_too_is_composed_once_for_all_jobs(
    hydra: tuple[DictConfig, ConfigLoader], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, loader = hydra
    composed, real = [], loader.load_sweep_config
    monkeypatch.setattr(loader, "load_sweep_config", lambda *a: composed.append(a) or real(*a))  # type: ignore[func-returns-value]
    compose = composer(config, loader)
    jobs = [
        compose({"model.hidden": "[8]", "model": "mlp_small", "percentage": str(percentage)}) for percentage in range(9)
    ]
    assert [job.percentage for job in jobs] == list(range(9))
    assert all(job.model.options["hidden"] == [8] for job in jobs)
    assert len(composed) == 1


def test_a_refusal_names_the_key(hydra: tuple[DictConfig, ConfigLoader]) -> None:
    with pytest.raises(ConfigError, match="percentage=101"):
        composer(*hydra)({"percentage": "101"})


@pytest.mark.slow
def test_jobs_one_after_the_other_are_not_composed_again_unless_hydra_has_something_to_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    real = launch_module._run_by_hydra

    def run(launcher: Launcher, store: Store, sweep_id: str, jobs: Sequence[PlannedJob], *rest: Any) -> Any:
        used.append(len(jobs))
        return real(launcher, store, sweep_id, jobs, *rest)

    monkeypatch.setattr(launch_module, "_run_by_hydra", run)
    sweep = ("-m", *SMALL, "percentage=0,50", "measure=off")
    assert project.prunelab(*sweep).status == 0
    assert used == []
    assert project.prunelab(*sweep, "+hydra.job.env_set.PRUNELAB_TEST=1", "seed=1").status == 0
    assert used == [2]
    first, second = project.runs("job")[:2], project.runs("job")[2:]
    assert [job.data.tags["overrides"].replace(" seed=1", "") for job in second] == [
        job.data.tags["overrides"] for job in first
    ]


@pytest.mark.slow
def test_many_jobs_go_to_joblib_in_parts_and_their_configurations_are_not_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")
    kept: list[JobReturn] = []
    real = launch_module._complain
    monkeypatch.setattr(launch_module, "_complain", lambda returns: (kept.extend(returns), real(kept)))
    monkeypatch.setattr(launch_module, "AT_ONCE", 2)
    outcome = project.prunelab(
        *("-m", *SMALL, "percentage=0,30,60", "measure=off"), "hydra/launcher=joblib", "hydra.launcher.n_jobs=1"
    )
    assert outcome.status == 0, outcome.output
    project.assert_whole(jobs=3, trainings=1)
    assert [each.cfg for each in kept] == [None] * 3
