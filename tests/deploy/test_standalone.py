"""Exported files are used where prunelab, hydra and mlflow cannot be imported, and give what prunelab gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.conftest import Outcome, Project, in_process
from tests.deploy.bare import ONNX, TORCH, bare, only

from prunelab.cli.export import main
from prunelab.compose import compose_job
from prunelab.data.dataset import dataset_of
from prunelab.network.saved import read_network

ASK = """
import importlib.util, json, runpy, sys
for name in ("prunelab", "hydra", "mlflow"):
    assert importlib.util.find_spec(name) is None, name
script = runpy.run_path(sys.argv[1])
{load}
print(json.dumps(script["Model"]().logits(images).tolist()))
"""
LOAD = {
    "onnx": "import numpy; images = numpy.load('images.npy')",
    "safetensors": "from safetensors.torch import load_file; images = load_file('images.safetensors')['images']",
}


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("neuron-50", "onnx", ()),
        pytest.param("neuron-50", "onnx", ("--int8",), marks=pytest.mark.slow),
        pytest.param("neuron-50", "safetensors", (), marks=pytest.mark.slow),
        pytest.param("weight-50", "safetensors", (), marks=pytest.mark.slow),
    ],
)
def test_a_file_gives_the_same_where_there_is_no_prunelab(
    name: str, form: str, options: tuple[str, ...], swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    project, _ = swept
    file = tmp_path / f"taken.{form}"
    arguments = (name, f"--format={form}", f"--output={file}", *options, "data=digits")
    outcome = in_process("prunelab-export", main, project.folder, *arguments)
    assert outcome.status == 0, outcome.output
    run = next(run for run in project.runs("job") if run.info.run_name == name)
    network, _ = read_network(project.artifact(run, "network.safetensors").read_bytes())
    images = dataset_of(compose_job(["data=digits"]).data).test.take(20)
    np.save(tmp_path / "images.npy", images.numpy())
    save_file({"images": images.contiguous()}, tmp_path / "images.safetensors")
    packages = only(tmp_path / "packages", ONNX if form == "onnx" else TORCH)
    found = bare(packages, "-c", ASK.format(load=LOAD[form]), f"{file.name}.py", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    with torch.no_grad():
        expected = network(images)
    tolerance = 0.1 * float(expected.abs().max()) if options else 1e-5
    assert torch.allclose(torch.tensor(json.loads(found.stdout)), expected, atol=tolerance, rtol=1e-4)

    ending = "npy" if form == "onnx" else "safetensors"
    told = bare(packages, f"{file.name}.py", f"images.{ending}", "absent.png", "--top=1", cwd=tmp_path)
    assert told.returncode == 1, "one of the two could not be read"
    assert len(told.stdout.splitlines()) == 20
    assert told.stderr.startswith("absent.png: ")
    card = (tmp_path / f"{file.name}.md").read_text()
    assert f"{file.stat().st_size:,} bytes" in card
    assert "float32 [n, 1, 8, 8]" in card
    assert run.info.run_id in card


def test_a_picture_is_read_as_prunelab_reads_it(swept: tuple[Project, Outcome], tmp_path: Path) -> None:
    project, _ = swept
    file = tmp_path / "taken.onnx"
    in_process("prunelab-export", main, project.folder, "neuron-0", f"--output={file}", "data=digits")
    pixels = (dataset_of(compose_job(["data=digits"]).data).test.images[3, 0] * 255).byte().numpy()
    Image.fromarray(np.kron(pixels, np.ones((3, 3), np.uint8))).save(tmp_path / "three.png")
    Image.fromarray(pixels[:, :4]).save(tmp_path / "narrow.png")
    np.save(tmp_path / "three.npy", pixels)
    packages = only(tmp_path / "packages", (*ONNX, "PIL", "pillow.libs"))
    found = bare(packages, "taken.onnx.py", "three.png", "three.npy", "narrow.png", cwd=tmp_path)
    first, second = (line.partition(": ")[2] for line in found.stdout.splitlines())
    assert first == second
    assert "narrow.png: it is 4x8" in found.stderr
