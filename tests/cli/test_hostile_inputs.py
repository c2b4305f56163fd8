"""Hostile arguments, for every command: nothing executed, nothing written outside, one message."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.hostile import ESCAPE, HERE, LONG, SCRIPT, TREE, World, said_once
from tests.cli.hostile import shared as shared
from tests.cli.hostile import world as world

ARGUMENTS: list[tuple[str, ...]] = [
    ("prunelab", *TREE, f"name={ESCAPE}"),
    ("prunelab", *TREE, "name=\udcff"),
    ("prunelab", *TREE, "percentage=nan"),
    ("prunelab", *TREE, "percentage=inf"),
    ("prunelab", *TREE, "percentage=1e400"),
    ("prunelab", *TREE, "percentage=-1"),
    ("prunelab", *TREE, "percentage="),
    ("prunelab", *TREE, "percentage=\N{ARABIC-INDIC DIGIT FIVE}\N{ARABIC-INDIC DIGIT ZERO}"),
    ("prunelab", *TREE, "seed=99999999999999999999999999"),
    ("prunelab", *TREE, "calibration.images=-5"),
    ("prunelab", *TREE, "model.hidden=[0]"),
    ("prunelab", *TREE, "tracking.experiment_name=../../canary"),
    ("prunelab", *TREE, "tracking.experiment_name=.."),
    ("prunelab", *TREE, "tracking.experiment_name=/tmp/canary"),
    ("prunelab", *TREE, "data.name=../../../canary"),
    ("prunelab", *TREE, "tracking.uri=sqlite:///relative.db"),
    ("prunelab", *TREE, "tracking.uri=file:///tmp/x"),
    ("prunelab", *TREE, "tracking.uri=postgresql://me:secret@nowhere/x"),
    ("prunelab", *TREE, "method=../../canary/file"),
    ("prunelab", *TREE, f"method={SCRIPT}"),
    ("prunelab", *TREE, "method.score=os.system"),
    ("prunelab", *TREE, "model.checkpoint=/dev/zero"),
    ("prunelab", *TREE, "model.checkpoint=../canary/file", "training.epochs=0"),
    ("prunelab", *TREE, "resume=last"),
    ("prunelab", *TREE, "__class__=x"),
    ("prunelab", *TREE, "name=${oc.env:NO_SUCH_VARIABLE}"),
    ("prunelab", *TREE, "name=${paths"),
    ("prunelab", "-m", *TREE, "percentage=0,50", f"resume={SCRIPT}"),
    ("prunelab", "-m", *TREE, "percentage=0,50", "resume='; drop table runs; --'"),
    ("prunelab", "-m", *TREE, "hydra.sweeper.zip={percentage:[1,2],seed:[1]}"),
    ("prunelab-report", *HERE, f"sweep {ESCAPE}"),
    ("prunelab-report", *HERE, "'\" or 1=1"),
    ("prunelab-report", *HERE, "backslash\\"),
    ("prunelab-report", *HERE, LONG),
    ("prunelab-report", *HERE, ""),
    ("prunelab-report", *HERE, "\N{RIGHT-TO-LEFT OVERRIDE}tsal"),
    ("prunelab-report", *HERE, "last", "--output", LONG),
    ("prunelab-report", *HERE, "last", "--output", "/proc/nothing/here"),
    ("prunelab-report", *HERE, "tracking.experiment_name=../../canary"),
    ("prunelab-export", *HERE, "../../canary/file"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "/dev/null/x"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", LONG),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "../canary"),
    ("prunelab-export", *HERE, "last", "--format", "safetensors", "--output", "../canary/file"),
    ("prunelab-export", *HERE, f"weight-50{ESCAPE}"),
    ("prunelab-predict", *HERE, "last", "/dev/zero"),
    ("prunelab-predict", *HERE, "last", LONG),
    ("prunelab-predict", *HERE, "last", "../canary/file"),
    ("prunelab-predict", *HERE, "../canary/file", "../canary/file"),
    ("prunelab-predict", *HERE, "last", "[" * 300),
    ("prunelab-reproduce", *HERE, "'"),
    ("prunelab-reproduce", *HERE, "0" * 32),
    ("prunelab-reproduce", *HERE, "last", "method.score=os.system"),
    ("prunelab-store", "delete", "../canary", "--yes"),
    ("prunelab-store", "delete", "%", "--yes"),
    ("prunelab-store", "delete", "", "--yes"),
    ("prunelab-store", "relocate", "../canary", "--yes"),
    ("prunelab-store", "relocate", LONG, "--yes"),
    ("prunelab-store", "export", "last", "../canary/file"),
    ("prunelab-store", "export", "last", LONG),
    ("prunelab-store", "export", "../canary", "out.zip"),
    ("prunelab-store", "import", "../canary/file"),
    ("prunelab-store", "import", "/dev/zero"),
    ("prunelab-store", "list", "tracking.uri=sqlite:////etc/passwd"),
    ("prunelab-ui", *HERE, "--no-browser", "--host", f"{'a' * 70}.example"),
    ("prunelab-ui", *HERE, "--no-browser", "--port", "99999999"),
    ("prunelab-ui", *HERE, "--no-browser", "--port", "-1"),
    ("prunelab-ui", *HERE, "--no-browser", "tracking.experiment_name=../x"),
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda words: ascii(" ".join(words))[1:70])
def test_a_hostile_argument_is_refused_in_one_message(arguments: tuple[str, ...], shared: World) -> None:
    before, recorded = shared.outside(), shared.recorded()
    said_once(shared.run(*arguments))
    assert shared.outside() == before
    assert shared.recorded() == recorded
    assert not Path("/tmp/canary").exists()
