"""Pointing MLflow at a store, after seeing that somebody is there."""

from __future__ import annotations

import os

import mlflow
import requests

from prunelab.tracking.addresses import redacted, sqlite_file
from prunelab.tracking.patience import Unreachable

CONNECT_SECONDS = 5.0


def connect(uri: str) -> None:
    """Have MLflow use this store from here on.

    Raises:
        StoreError: if it is a server that does not answer.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # prunelab.tracking.patience does the rest
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(uri)
    if sqlite_file(uri) is None:
        _reach(uri)


def _reach(uri: str) -> None:
    """Ask a server whether it is there, once and briefly, before MLflow's own patience begins.

    Raises:
        StoreError: if it does not answer.
    """
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=CONNECT_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise Unreachable(
            f"tracking.uri={redacted(uri)}: no MLflow server answers there ({redacted(str(error))}); start one "
            "(make server), or use the local store (tracking=local)"
        ) from None
