"""The built wheel carries the configuration and runs outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import SMALL, Project

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_carries_conf_and_runs_outside_the_checkout(project: Project, tmp_path: Path) -> None:
    built = tmp_path / "built"
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = built.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(unpacked)
    for group in ("config.yaml", "method/weight.yaml", "experiment/report.yaml", "hydra/sweeper/grid.yaml"):
        assert f"prunelab/conf/{group}" in names
    for file in ("published.csv", "template/page.html.j2", "template/parts.html.j2", "template/style.css"):
        assert f"prunelab/report/{file}" in names
    assert "prunelab/report/template/page.js" in names
    assert "prunelab/py.typed" in names, "type checkers of other projects do not look at the annotations"
    assert "hydra_plugins/prunelab/sweepers.py" in names
    assert "hydra_plugins/__init__.py" not in names, "the namespace is shared with other plugins"
    outcome = project.in_a_process("-m", *SMALL, "percentage=0,50", PYTHONPATH=f"{unpacked}{os.pathsep}")
    assert outcome.status == 0, outcome.output
    assert len(project.runs("job")) == 2
    where = subprocess.run(
        [sys.executable, "-c", "import prunelab.reading; print(prunelab.reading.CONF)"],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == str(unpacked / "prunelab" / "conf")
