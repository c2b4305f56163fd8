"""A server that others reach lets nobody in without a password, and readers change nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.conftest import SMALL, Project
from tests.server import free_port

from prunelab.cli.server import VARIABLE, listed, refuse_open
from prunelab.errors import ConfigError
from prunelab.tracking.accounts import Role, users_in, users_of

PASSWORDS = {"boss": "boss-password-1", "wanda": "wanda-password-1", "rea": "rea-password-1"}
USERS = "".join(
    f"{name}:{role}:{PASSWORDS[name]}\n" for name, role in (("boss", "admin"), ("wanda", "writer"), ("rea", "reader"))
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "head", "192.0.2.1"])
def test_a_server_for_others_is_refused_without_users(host: str) -> None:
    with pytest.raises(ConfigError, match=f"HOST={host} is refused without users"):
        refuse_open(host, [])
    refuse_open(host, users_of(USERS, "USERS"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_this_machine_alone_needs_none(host: str) -> None:
    refuse_open(host, [])


def test_a_list_of_users_is_read_with_comments_and_colons_in_passwords() -> None:
    users = users_of("# the team\n\nann:admin:a:b:c\nbob:reader:x\n", "USERS")
    assert [(user.name, user.role, user.password) for user in users] == [
        ("ann", Role.ADMIN, "a:b:c"),
        ("bob", Role.READER, "x"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ann:admin", "line 1 is refused"),
        ("ann:admin:x\nbob:owner:secret", "line 2 is refused"),
        ("ann:admin:x\nann:reader:y", "ann is there twice"),
        ("ann:reader:secret", "names no admin"),
        ("", "names no admin"),
    ],
)
def test_what_is_no_list_of_users_is_refused_and_no_password_shown(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        users_of(text, "USERS")
    assert "secret" not in str(refusal.value)


def test_a_file_that_others_can_read_and_two_lists_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(USERS)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read the passwords"):
        users_in(file)
    with pytest.raises(ConfigError, match="both given"):
        listed(file, USERS)
    file.chmod(0o600)
    assert len(listed(file, None)) == 3


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[str]:
    """A server as `make server` starts it, on all addresses."""
    pytest.importorskip("flask_wtf", reason="the extra `server` is not installed")
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    port = free_port()
    log = folder / "log"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "prunelab.cli.server", "--database", f"sqlite:///{folder}/mlflow.db"),
            *("--host", "0.0.0.0", "--port", str(port), "--workers", "1", "--folder", str(folder / "mlruns")),
        ],
        env={**os.environ, VARIABLE: USERS},
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 180
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
        assert not any(password in log.read_text() for password in PASSWORDS.values())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def ask(address: str, user: str | None, method: str, path: str, **json: object) -> int:
    auth = None if user is None else (user, PASSWORDS.get(user, "wrong-password-1"))
    return requests.request(method, f"{address}/api/2.0/{path}", json=json or None, auth=auth, timeout=60).status_code


SEARCH = ("POST", "mlflow/experiments/search")
CREATE = ("POST", "mlflow/experiments/create")


@pytest.mark.cluster
def test_no_password_no_entry(address: str) -> None:
    for user in (None, "stranger"):
        assert ask(address, user, *SEARCH, max_results=10) == 401
        assert ask(address, user, *CREATE, name="x") == 401
        assert requests.get(address, auth=None, timeout=60).status_code == 401


@pytest.mark.cluster
def test_a_writer_records_a_job_and_a_reader_reads_it_and_changes_nothing(address: str, tmp_path: Path) -> None:
    command = (*SMALL, "percentage=50", "measure=off", "tracking=server", f"tracking.uri={address}")
    writer = {"MLFLOW_TRACKING_USERNAME": "wanda", "MLFLOW_TRACKING_PASSWORD": PASSWORDS["wanda"]}
    reader = {"MLFLOW_TRACKING_USERNAME": "rea", "MLFLOW_TRACKING_PASSWORD": PASSWORDS["rea"]}
    outcome = Project(tmp_path).in_a_process(*command, **writer)
    assert outcome.status == 0, outcome.output
    found = requests.post(
        f"{address}/api/2.0/mlflow/runs/search",
        json={"experiment_ids": ["1"], "max_results": 100},
        auth=("rea", PASSWORDS["rea"]),
        timeout=60,
    ).json()["runs"]
    assert sorted(run["info"]["status"] for run in found) == ["FINISHED"] * 2  # a baseline, a job
    run = found[0]["info"]
    artifacts = f"mlflow-artifacts/artifacts/1/{run['run_id']}/artifacts/new.txt"
    changes = [
        ("POST", "mlflow/experiments/create", {"name": "own"}),
        ("POST", "mlflow/runs/create", {"experiment_id": "1"}),
        ("POST", "mlflow/runs/update", {"run_id": run["run_id"], "status": "FAILED"}),
        ("POST", "mlflow/runs/delete", {"run_id": run["run_id"]}),
        ("POST", "mlflow/runs/set-tag", {"run_id": run["run_id"], "key": "a", "value": "b"}),
        ("POST", "mlflow/runs/log-metric", {"run_id": run["run_id"], "key": "a", "value": 1, "timestamp": 1}),
        ("PUT", artifacts, {"a": 1}),
        ("DELETE", artifacts, {}),
    ]
    assert [ask(address, "rea", method, path, **body) for method, path, body in changes] == [403] * len(changes)
    again = Project(tmp_path).in_a_process(*command, **reader)
    assert again.status == 1
    assert "a reader and cannot change anything" in again.output
    assert "Traceback" not in again.output
