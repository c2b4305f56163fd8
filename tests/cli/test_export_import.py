"""A sweep taken from one store into another: the same digits, resumable, whole or not at all; hostile files refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import SMALL, Outcome, Project, in_process, new_project
from tests.tracking.test_outage import start, stop

from prunelab.cli.store import main
from prunelab.sweep.redraw import main as report
from prunelab.tracking import importing

COMMAND = (sys.executable, "-c", "from prunelab.cli.store import main; main()")
SWEEP = ("-m", *SMALL, "method=weight,neuron", "percentage=0,50,99")


def store(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-store", main, project.folder, *arguments)


@pytest.fixture(scope="module")
def archive(swept: tuple[Project, Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep of `swept`, exported."""
    file = tmp_path_factory.mktemp("archive") / "sweep.zip"
    outcome = store(swept[0], "export", "last", str(file))
    assert outcome.status == 0, outcome.output
    assert "6 jobs, 10 runs in all" in outcome.output
    return file


def values(project: Project) -> list[tuple[object, ...]]:
    """All parameters and all metrics with their history, of all runs by kind and name."""
    runs = (
        "from {0} v join runs r using (run_uuid) join tags k using (run_uuid) "
        "where k.key = 'kind' and lifecycle_stage = 'active' order by k.value, name, v.key"
    )
    with closing(sqlite3.connect(project.database)) as connection:
        return [
            *connection.execute(
                "select k.value, name, status, v.key, v.value, is_nan, step, timestamp "
                + runs.format("metrics")
                + ", step, timestamp"
            ),
            *connection.execute("select k.value, name, start_time, end_time, v.key, v.value " + runs.format("params")),
        ]


def files(project: Project) -> dict[str, bytes]:
    """Every artifact but those that name runs by their ids, by the run's name and its path."""
    return {
        f"{run.info.run_name}/{path.relative_to(project.artifact(run, '.')).as_posix()}": path.read_bytes()
        for kind in ("baseline", "job", "sweep")
        for run in project.runs(kind)
        for path in project.artifact(run, ".").rglob("*")
        if path.is_file() and path.name not in ("results.csv", "report.html")
    }


def test_an_imported_sweep_has_every_value_and_every_file_and_refers_to_runs_of_its_new_store(
    swept: tuple[Project, Outcome], archive: Path, project: Project
) -> None:
    outcome = store(project, "import", str(archive))
    assert outcome.status == 0, outcome.output
    assert values(project) == values(swept[0])
    assert files(project) == files(swept[0])
    old = {run.info.run_id for kind in ("job", "sweep", "baseline", "curve") for run in swept[0].runs(kind)}
    (sweep,), (baseline,) = project.runs("sweep"), project.runs("baseline")
    table = pd.read_csv(project.artifact(sweep, "results.csv"))
    assert set(table["run_id"]) == {run.info.run_id for run in project.runs("job")}
    for job in project.runs("job"):
        assert job.data.tags["mlflow.parentRunId"] == sweep.info.run_id
        assert job.data.tags["baseline_run_id"] == baseline.info.run_id
        assert job.inputs.dataset_inputs[0].dataset.name == "digits"
    text = " ".join(
        value
        for kind in ("job", "sweep", "curve")
        for run in project.runs(kind)
        for key, value in run.data.tags.items()
        if key != "imported_from"
    )
    assert not [run_id for run_id in old if run_id in text]
    assert store(project, "check").status == 0


def test_an_imported_sweep_is_reported_with_the_same_digits_and_a_second_import_is_refused(
    swept: tuple[Project, Outcome], archive: Path, project: Project
) -> None:
    assert store(project, "import", str(archive)).status == 0
    assert in_process("prunelab-report", report, project.folder, "data=digits").status == 0
    theirs, ours = (
        pd.read_csv(each.artifact(each.runs("sweep")[0], "results.csv")).drop(columns="run_id")
        for each in (swept[0], project)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    before = values(project)
    for each in (project, swept[0]):
        outcome = store(each, "import", str(archive))
        assert outcome.status == 2
        assert "is in the store already" in outcome.output
    assert values(project) == before


def test_an_interrupted_sweep_is_finished_in_the_store_it_was_imported_into(
    project: Project, tmp_path: Path, empty_store: Path
) -> None:
    assert project.prunelab(*SWEEP).status == 0
    (sweep,) = project.runs("sweep")
    whole = project.runs("job")
    for job in whole[3:]:
        project.client.delete_run(job.info.run_id)
    project.client.set_terminated(sweep.info.run_id, "KILLED")
    (tmp_path / "other").mkdir()
    other = new_project(tmp_path / "other", empty_store)
    assert store(project, "export", "last", str(tmp_path / "part.zip")).status == 0
    assert store(other, "import", str(tmp_path / "part.zip")).status == 0
    outcome = other.prunelab(*SWEEP, "resume=last")
    assert outcome.status == 0, outcome.output
    assert "3 of 6 jobs are done" in outcome.output
    assert "1 there already" in outcome.output
    other.assert_whole(jobs=6, trainings=1)
    accuracy = {job.data.tags["config_hash"]: job.data.metrics["test/loss"] for job in other.runs("job")}
    assert accuracy == {job.data.tags["config_hash"]: job.data.metrics["test/loss"] for job in whole}


def test_a_baseline_that_is_there_to_the_last_bit_is_used_and_not_imported_again(
    archive: Path, project: Project
) -> None:
    assert project.prunelab(*SMALL, "percentage=20").status == 0
    (own,) = project.runs("baseline")
    assert store(project, "import", str(archive)).status == 0
    assert [run.info.run_id for run in project.runs("baseline")] == [own.info.run_id]
    assert {job.data.tags["baseline_run_id"] for job in project.runs("job")} == {own.info.run_id}


def test_a_sweep_goes_to_a_server_and_back(
    swept: tuple[Project, Outcome], archive: Path, tmp_path: Path, empty_store: Path, project: Project
) -> None:
    from tests.server import free_port

    served = tmp_path / "served"
    served.mkdir()
    shutil.copy(empty_store, served / "mlflow.db")
    port = free_port()
    server = start(served, port)
    try:
        there = ("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
        outcome = store(project, "import", str(archive), *there)
        assert outcome.status == 0, outcome.output
        assert store(project, "export", "last", str(tmp_path / "back.zip"), *there).status == 0
    finally:
        stop(server)
    outcome = store(project, "import", str(tmp_path / "back.zip"))
    assert outcome.status == 0, outcome.output
    assert values(project) == values(swept[0])
    assert files(project) == files(swept[0])


def rows(project: Project) -> int:
    with closing(sqlite3.connect(project.database)) as connection:
        return int(connection.execute("select count(*) from runs").fetchone()[0])


@pytest.mark.parametrize("moment", ["_fill", "_show", "_compare"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_an_import_that_is_interrupted_or_fails_leaves_nothing_behind(
    moment: str, error: BaseException, archive: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = getattr(importing, moment), [4]

    def fails(*arguments: Any) -> None:
        real(*arguments)
        left[0] -= 1
        if moment == "_compare" or not left[0]:
            raise error

    monkeypatch.setattr(importing, moment, fails)
    outcome = store(project, "import", str(archive))
    assert outcome.status == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert ("failed and was undone: the disk is full" in outcome.output) == isinstance(error, OSError)
    assert rows(project) == 0
    assert list((project.folder / "mlruns/artifacts/digits-pruning").glob("*")) == []
    monkeypatch.undo()
    assert store(project, "import", str(archive)).status == 0
    assert store(project, "check").status == 0


def test_what_a_killed_import_leaves_is_no_sweep_is_found_and_goes_with_the_next_import(
    archive: Path, project: Project
) -> None:
    killed = subprocess.Popen([*COMMAND, "import", str(archive)], cwd=project.folder)
    deadline = time.monotonic() + 400
    while rows(project) < 5:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert rows(project) > 0
    assert project.runs("sweep") == []
    outcome = store(project, "check")
    assert outcome.status == 1
    assert "an import of it was interrupted" in " ".join(outcome.output.split())
    assert store(project, "import", str(archive)).status == 0
    assert rows(project) == 10
    assert store(project, "check").status == 0


Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def rewritten(archive: Path, target: Path, change: Change) -> Path:
    """The archive with its manifest and its members changed."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    with zipfile.ZipFile(target, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.writestr("manifest.json", json.dumps(manifest))
    return target


def _of(kind: str, manifest: dict[str, Any]) -> dict[str, Any]:
    return next(run for run in manifest["runs"] if run["kind"] == kind)


def _renames(path: str) -> Change:
    """A job's config under another path, in the manifest and in the archive alike."""

    def change(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        job = _of("job", manifest)
        job["files"][path] = job["files"].pop("config.yaml")
        members[f"{job['id']}/{path}"] = members.pop(f"{job['id']}/config.yaml")

    return change


def _tags(kind: str, /, **tags: str) -> Change:
    return lambda manifest, members: _of(kind, manifest)["tags"].update(tags)


def _damages(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    member = next(name for name in members if name.endswith("network.safetensors"))
    members[member] = members[member][:-1] + bytes([members[member][-1] ^ 1])


def _grows(manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    member = next(name for name in members if name.endswith("config.yaml"))
    members[member] += b"#" * 1000


HOSTILE: dict[str, tuple[Change, str]] = {
    "up": (_renames("../../../../escaped"), "a path leads down"),
    "up in the middle": (_renames("a/../../../escaped"), "a path leads down"),
    "absolute": (_renames("/tmp/escaped"), "a path leads down"),
    "backslash": (_renames("..\\escaped"), "a path leads down"),
    "control characters": (_renames("a\x1b[2Jb"), "a path leads down"),
    "experiment that is a path": (
        lambda m, _: m.update(experiment="../../escaped"),
        "artifacts are kept in a folder of that name",
    ),
    "experiment that is the folder above": (
        lambda m, _: m.update(experiment=".."),
        "artifacts are kept in a folder of that name",
    ),
    "name with control characters": (lambda m, _: _of("job", m).update(name="a\x1b[2Jb"), "printable characters"),
    "job of a sweep that is in the store": (_tags("job", **{"mlflow.parentRunId": "0" * 32}), "not a part of"),
    "curve of another sweep": (_tags("curve", sweep_id="0" * 32), "not a curve of"),
    "baseline of the store": (_tags("job", baseline_run_id="0" * 32), "its baseline is not in the archive"),
    "another kind": (_tags("job", kind="sweep"), "its tag kind is another"),
    "no config hash": (lambda m, _: _of("job", m)["tags"].pop("config_hash"), "no tag config_hash"),
    "one bit": (_damages, "is damaged"),
    "more than it says": (_grows, "is damaged"),
    "checkpoint of another digest": (_tags("baseline", checkpoint_sha256="0" * 64), "not what was recorded"),
    "member that is not in the manifest": (lambda _, f: f.update({"../escaped": b"x"}), "but not in both"),
    "file that is not in the archive": (lambda _, f: f.pop(next(iter(f))) and None, "but not in both"),
    "no runs": (lambda m, _: m.update(runs=[]), "not that of a sweep"),
    "another format": (lambda m, _: m.update(format=2), "manifest.format"),
    "unknown keys": (lambda m, _: m.update(execute="rm -rf /"), "no such key"),
    "a number that is a text": (lambda m, _: _of("job", m).update(started="now"), "started"),
    "a status that is none": (lambda m, _: _of("job", m).update(status="RUNNING"), "status"),
    "the same run twice": (lambda m, _: m["runs"].insert(0, m["runs"][0]), "the same id"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_message_and_nothing_is_written(
    name: str, archive: Path, tmp_path: Path
) -> None:
    change, words = HOSTILE[name]
    hostile = rewritten(archive, tmp_path / "hostile.zip", change)
    folder = tmp_path / "deep" / "down" / "here"
    folder.mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    outcome = store(Project(folder), "import", str(hostile))
    assert outcome.status == 2
    assert words in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1
    assert "\x1b" not in outcome.output
    assert set(tmp_path.rglob("*")) == before, "not even a store is created"
    assert not Path("/tmp/escaped").exists()


def test_links_encrypted_files_and_what_is_no_archive_are_refused(archive: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as file:
        entry = zipfile.ZipInfo("manifest.json")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    pickle = tmp_path / "pickle.zip"
    pickle.write_bytes(b"cos\nsystem\n(S'touch proof'\ntR.")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-1000])
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w"):
        pass
    for file, words in (
        (link, "no plain file"),
        (pickle, "cannot be read as an archive"),
        (cut, "cannot be read as an archive"),
        (empty, "it has no manifest.json"),
        (tmp_path / "none.zip", "No such file"),
        (tmp_path, "is no file"),
    ):
        outcome = store(Project(tmp_path), "import", str(file))
        assert outcome.status == 2
        assert words in outcome.output
        assert not (tmp_path / "mlruns").exists()


def test_export_refuses_what_is_running_damaged_or_would_overwrite(
    swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    shutil.copytree(swept[0].folder, tmp_path / "copy")
    project = Project(tmp_path / "copy")
    store(project, "list")
    target = tmp_path / "out" / "sweep.zip"
    target.parent.mkdir()
    network = project.artifact(project.runs("job")[1], "network.safetensors")
    content = network.read_bytes()

    def refused(words: str) -> None:
        outcome = store(project, "export", "last", str(target))
        assert outcome.status == 2
        assert words in " ".join(outcome.output.split())
        assert list(target.parent.iterdir()) == []

    network.write_bytes(content[:-1] + b"!")
    refused("network.safetensors is damaged")
    network.unlink()
    network.symlink_to("/etc/passwd")
    refused("a link that leads out")
    network.unlink()
    network.write_bytes(content)
    job = project.runs("job")[0]
    MlflowClient(f"sqlite:///{project.database}").update_run(job.info.run_id, status="RUNNING")
    refused("is still running")
    project.client.set_terminated(job.info.run_id, "FINISHED")
    target.write_text("mine")
    outcome = store(project, "export", "last", str(target))
    assert outcome.status == 2
    assert "it is there already" in outcome.output
    assert target.read_text() == "mine"
