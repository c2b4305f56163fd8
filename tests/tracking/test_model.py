"""The compacted network as an MLflow model: loaded and served by MLflow, it gives what the network gives."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import mlflow
import pytest
import requests
import torch
from tests.conftest import SMALL, Project, new_project

from prunelab.network.saved import read_network


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    project = new_project(tmp_path_factory.mktemp("logged"), empty_store)
    outcome = project.prunelab(*SMALL, "method=neuron", "percentage=50", "measure.log_model=true")
    assert outcome.status == 0, outcome.output
    return project


def expected(project: Project, images: torch.Tensor) -> torch.Tensor:
    (run,) = project.runs("job")
    network, _ = read_network(project.artifact(run, "network.safetensors").read_bytes())
    with torch.no_grad():
        logits: torch.Tensor = network(images)
    return logits


def address(project: Project) -> str:
    (run,) = project.runs("job")
    assert run.info.status == "FINISHED"
    mlflow.set_tracking_uri(f"sqlite:///{project.database}")
    return f"runs:/{run.info.run_id}/model"


def test_mlflow_loads_it_and_it_takes_any_number_of_images(logged: Project) -> None:
    model = mlflow.pytorch.load_model(address(logged))
    for count in (1, 7):
        images = torch.rand(count, 1, 8, 8)
        assert torch.allclose(model(images), expected(logged, images), atol=1e-6)
    signature = mlflow.models.get_model_info(address(logged)).signature
    assert signature.inputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, 1, 8, 8)
    assert signature.outputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, 10)


@pytest.mark.cluster
def test_mlflow_serves_it(logged: Project) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow calls uvicorn by its name
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "-m", address(logged)),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
        ],
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{logged.database}", "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        images = torch.rand(3, 1, 8, 8)
        answer = _ask(f"http://127.0.0.1:{port}", json.dumps({"inputs": images.tolist()}), server)
        assert torch.allclose(torch.tensor(answer["predictions"]), expected(logged, images), atol=1e-5)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _ask(url: str, body: str, server: subprocess.Popen[bytes]) -> dict[str, list[list[float]]]:
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            requests.get(f"{url}/ping", timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.25)
            continue
        answer = requests.post(
            f"{url}/invocations", data=body, headers={"Content-Type": "application/json"}, timeout=30
        )
        answer.raise_for_status()
        found: dict[str, list[list[float]]] = answer.json()
        return found
    raise AssertionError("the server did not answer")
