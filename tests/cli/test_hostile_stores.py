"""Hostile stores, for every command that reads one: nothing executed, nothing written outside, one message."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.hostile import ESCAPE, HERE, SCRIPT, World, said_once
from tests.cli.hostile import shared as shared
from tests.cli.hostile import world as world
from tests.conftest import SMALL, quick

pytestmark = pytest.mark.slow


class Evil:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.target, "executed"))


Tamper = Callable[[World], None]


def _renames(kind: str, name: str) -> Tamper:
    def tamper(world: World) -> None:
        run = world.project.runs(kind)[-1].info.run_id
        world.sql("update runs set name = ? where run_uuid = ?", name, run)
        world.sql("update tags set value = ? where key = 'mlflow.runName' and run_uuid = ?", name, run)

    return tamper


def _tags(kind: str, key: str, value: str) -> Tamper:
    return lambda world: world.sql(
        "update tags set value = ? where key = ? and run_uuid = ?", value, key, world.project.runs(kind)[-1].info.run_id
    )


def _writes(kind: str, path: str, content: bytes | str) -> Tamper:
    data = content.encode() if isinstance(content, str) else content
    return lambda world: world.artifact(kind, path).write_bytes(data) and None


def _pickles(kind: str, path: str) -> Tamper:
    return lambda world: world.artifact(kind, path).write_bytes(pickle.dumps(Evil(world.canary / "proof"))) and None


def _links(kind: str, path: str, target: str) -> Tamper:
    def tamper(world: World) -> None:
        file = world.artifact(kind, path)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        file.symlink_to(Path(target) if target.startswith("/") else world.canary / target)

    return tamper


def _moves(kind: str) -> Tamper:
    """A run's artifacts are said to be in the canary's folder."""
    return lambda world: world.sql(
        "update runs set artifact_uri = ? where run_uuid = ?",
        f"{world.project.folder.as_uri()}/mlruns/../../canary",
        world.project.runs(kind)[-1].info.run_id,
    )


def _deletes_metric(name: str) -> Tamper:
    return lambda world: world.sql("delete from latest_metrics where key = ?", name)


REPORT = ("prunelab-report", *HERE)
EXPORT = ("prunelab-export", *HERE, "--format", "safetensors")
CHECK = ("prunelab-store", "check")
RESUME = ("prunelab", "-m", *SMALL, "method=weight,neuron", "percentage=0,50,99", "resume=last")
REFUSED: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "artifacts elsewhere, report": (_moves("sweep"), REPORT),
    "artifacts elsewhere, resume": (_moves("sweep"), RESUME),
    "artifacts elsewhere, archive": (_moves("job"), ("prunelab-store", "export", "last", "out.zip")),
    "figures are a link": (_links("sweep", "figures", "."), REPORT),
    "page is a link": (_links("sweep", "report.html", "file"), REPORT),
    "network is a link": (_links("job", "network.safetensors", "/etc/passwd"), (*EXPORT, "neuron-99")),
    "network is endless": (_links("job", "network.safetensors", "/dev/zero"), (*EXPORT, "neuron-99")),
    "network is a pickle": (_pickles("job", "network.safetensors"), (*EXPORT, "neuron-99")),
    "network is a pickle, predict": (
        _pickles("job", "network.safetensors"),
        ("prunelab-predict", *HERE, "neuron-99", "../canary/file"),
    ),
    "network is a pickle, check": (_pickles("job", "network.safetensors"), CHECK),
    "checkpoint is a pickle, check": (_pickles("baseline", "checkpoint/best.ckpt"), CHECK),
    "plan is a list": (_writes("sweep", "plan.json", "[]"), RESUME),
    "plan has jobs of another kind": (_writes("sweep", "plan.json", '{"jobs": [1]}'), RESUME),
    "plan is deep": (_writes("sweep", "plan.json", "[" * 100_000), RESUME),
    "config is a pickle in YAML": (
        _writes("job", "config.yaml", "!!python/object/apply:os.system ['touch ../canary/proof']"),
        ("prunelab-reproduce", *HERE, "neuron-99"),
    ),
    "config names a function": (
        _writes("job", "config.yaml", "{model: {name: x, network: os.system}}"),
        ("prunelab-reproduce", *HERE, "neuron-99"),
    ),
    "environment is a list": (_writes("job", "environment.json", "[]"), ("prunelab-reproduce", *HERE, "neuron-99")),
    "no accuracy": (_deletes_metric("test/accuracy"), REPORT),
    "no baseline": (_tags("job", "baseline_run_id", "' or 1=1 --"), CHECK),
    "database is no database": (lambda w: w.project.database.write_bytes(b"not SQLite" * 1000) and None, REPORT),
    "database is cut": (lambda w: os.truncate(w.project.database, 300_000), REPORT),
    "accuracy is beyond reason": (
        lambda w: w.sql("update latest_metrics set value = -1e300 where key = 'test/accuracy'"),
        REPORT,
    ),
}


@pytest.mark.parametrize("name", quick(REFUSED, "network is a pickle", "config names a function", "page is a link"))
def test_what_is_wrong_with_a_hostile_store_is_said_in_one_message(name: str, world: World) -> None:
    tamper, command = REFUSED[name]
    tamper(world)
    before = world.outside()
    outcome = world.run(*command)
    if command is not CHECK:
        said_once(outcome)
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert "\x1b" not in outcome.output
    assert world.outside() == before, "nothing is executed, nothing written outside"


SHOWN: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "sweep named as a script": (_renames("sweep", SCRIPT), REPORT),
    "sweep named by an escape sequence": (_renames("sweep", f"sweep{ESCAPE}\x9b2J"), REPORT),
    "sweep named by an escape sequence, list": (_renames("sweep", f"sweep{ESCAPE}"), (*REPORT, "--list")),
    "sweep named by an escape sequence, store": (_renames("sweep", f"sweep{ESCAPE}"), ("prunelab-store", "list")),
    "job named as a path": (_renames("job", "../canary/file"), (*EXPORT, "last")),
    "method named as a script": (
        lambda w: w.sql("update params set value = ? where key = 'method'", f"{SCRIPT}\\input{{/etc/passwd}}"),
        REPORT,
    ),
    "overrides with a script": (_tags("job", "overrides", f"a={SCRIPT}"), REPORT),
    "verdicts that are no list": (_tags("sweep", "mlflow.note.content", SCRIPT), REPORT),
    "layers that are no list": (_tags("job", "layers", '{"a": '), REPORT),
    "layers named as a script": (
        lambda w: w.sql("update tags set value = ? where key = 'layers'", f'["{SCRIPT}", "b", "c"]'),
        REPORT,
    ),
    "plan with a script": (_writes("sweep", "plan.json", f'{{"jobs": [{{"overrides": ["a={SCRIPT}"]}}]}}'), REPORT),
    "plan is a list": (_writes("sweep", "plan.json", "[]"), REPORT),
    "environment is a list": (_writes("job", "environment.json", "[]"), REPORT),
    "environment with a script": (
        lambda w: (
            [
                w.project.artifact(job, "environment.json").write_text(f'{{"versions": {{"torch": "{SCRIPT}"}}}}')
                for job in w.project.runs("job")
            ]
            and None
        ),
        REPORT,
    ),
    "picture is a pickle": (_pickles("job", "kept.safetensors"), REPORT),
    "loss is no number": (lambda w: w.sql("update latest_metrics set is_nan = 1 where key = 'test/loss'"), REPORT),
    "loss is huge": (lambda w: w.sql("update latest_metrics set value = 1e308 where key = 'test/loss'"), REPORT),
}


@pytest.mark.parametrize("name", quick(SHOWN, "overrides with a script", "picture is a pickle"))
def test_what_a_hostile_store_holds_is_shown_as_text(name: str, world: World) -> None:
    tamper, command = SHOWN[name]
    tamper(world)
    before = world.outside()
    outcome = world.run(*command)
    assert outcome.status == 0, outcome.output
    assert "Traceback" not in outcome.output
    assert "\x1b" not in outcome.output
    assert "\x9b" not in outcome.output
    assert world.outside() == before
    if command == REPORT:
        assert SCRIPT not in world.artifact("sweep", "report.html").read_text()
        assert "\\input{" not in world.artifact("sweep", "results.tex").read_text()
