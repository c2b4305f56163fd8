"""A configuration composed without running Hydra: its paths are below the current folder, whatever that is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunelab.app import _config_dir
from prunelab.compose import compose_job
from prunelab.errors import ConfigError


def test_paths_are_below_the_current_folder_unless_the_root_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "of (a) $user, x='1'"
    folder.mkdir()
    monkeypatch.chdir(folder)
    job = compose_job(["data=digits"])
    assert job.paths.root == folder
    assert job.tracking.artifacts == folder / "mlruns/artifacts"
    elsewhere = compose_job([f"paths.root={tmp_path}"])
    assert elsewhere.paths.root == tmp_path
    assert elsewhere.data.folder.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["recovery=finetune", "recovery.epoch=3"], r"no key recovery\.epoch; did you mean recovery\.epochs="),
        (["model=lenet5", "model.paddings=1"], r"no key model\.paddings; did you mean model\.padding="),
        (["recovery.epochs=3"], r"no key recovery\.epochs"),  # of recovery=none
        (["data.foldr=x"], r"did you mean data\.folder="),
    ],
)
def test_a_key_that_the_chosen_option_lacks_is_refused_with_the_nearest_one(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose_job(overrides)


def test_keys_of_an_option_that_is_made_of_others_are_left_to_hydra() -> None:
    job = compose_job(["recovery=sequence", "recovery.finetune.epochs=2", "model.checkpoint=x.pt"])
    assert job.recovery.options["finetune"]["epochs"] == 2
    with pytest.raises(ConfigError, match="nothing"):
        compose_job(["recovery=sequence", "recovery.nothing=2"])


def test_an_option_of_ones_own_that_is_not_used_is_pointed_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model").mkdir()
    for name in ("mlp", "ours"):
        (tmp_path / "model" / f"{name}.yaml").write_text("name: ours\nnetwork: ours.Net\n")
    assert compose_job(["model=ours"], tmp_path).model.name == "ours"
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/model/mlp.yaml is not used: prunelab has an option of that name; give it another one"
    ]
    assert _config_dir(["-m", "--config-dir", str(tmp_path)]) == _config_dir([f"-cd={tmp_path}"]) == tmp_path
    assert _config_dir(["-m", "--config-dir"]) is None  # Hydra says what is wrong
