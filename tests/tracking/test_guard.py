"""Which requests a reader of a team's server may make."""

from __future__ import annotations

import pytest

guard = pytest.importorskip("prunelab.tracking.guard", reason="the extra `server` is not installed")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/2.0/mlflow/runs/get", True),
        ("HEAD", "/anything", True),
        ("POST", "/api/2.0/mlflow/runs/search", True),
        ("PATCH", "/api/2.0/mlflow/users/update-password", True),
        ("POST", "/api/2.0/mlflow/runs/create", False),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/1/search", False),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/search", False),
        ("PATCH", "/api/2.0/mlflow/users/update-admin", False),
    ],
)
def test_a_reader_may_look_and_change_the_own_password(method: str, path: str, allowed: bool) -> None:
    assert guard.may(method, path) is allowed
