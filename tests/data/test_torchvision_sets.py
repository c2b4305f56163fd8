"""torchvision's data sets are downloaded from a real server, verified, kept whole, and read without running code."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from functools import cache
from pathlib import Path

import pytest
import torch
from tests.data.mirror import NAMES, TEST, TRAIN, Mirror, labels, md5, pixels, publish, publish_cifar
from tests.data.mirror import mirror as mirror
from torchvision.datasets import CIFAR10, MNIST

from prunelab.compose import compose_job
from prunelab.config import Data
from prunelab.data import published
from prunelab.data.dataset import Dataset, load
from prunelab.errors import ConfigError, DataError


@cache
def composed(*overrides: str) -> Data:
    """Hydra takes a while; the same overrides are composed once."""
    return compose_job(overrides).data


def loaded(name: str, folder: Path) -> Dataset:
    return load(composed(f"data={name}", "data.validation=4").model_copy(update={"folder": folder}))


def left(folder: Path) -> list[str]:
    """What a folder holds, but for locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(folder).as_posix() for path in files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_downloaded_read_and_then_found_in_the_folder(
    name: str, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(name, mirror, monkeypatch)
    dataset = loaded(name, folder)
    grey = name in ("mnist", "kmnist")
    expected = pixels(TEST, (28, 28) if grey else (3072,)).reshape(TEST, *dataset.shape)
    assert dataset.shape == ((1, 28, 28) if grey else (3, 32, 32))
    assert torch.equal((dataset.test.images * 255).round().byte(), torch.from_numpy(expected))
    assert dataset.test.labels.tolist() == labels(TEST).tolist()
    assert (len(dataset.train), len(dataset.validation)) == (TRAIN - 4, 4)
    assert len(dataset.classes) == (100 if name == "cifar100" else 10)
    assert [path for path in folder.iterdir() if path.name.startswith(".") and path.suffix != ".lock"] == []
    mirror.asked.clear()
    again = loaded(name, folder)
    assert mirror.asked == []
    assert again.digest == dataset.digest
    assert len(again.digest) == 64


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn"])
def test_a_corrupted_file_is_reported_and_downloaded_again(
    name: str, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(name, mirror, monkeypatch)
    digest = loaded(name, folder).digest
    spoilt = folder / left(folder)[0]
    whole = spoilt.read_bytes()
    spoilt.write_bytes(whole[:-1] + b"?")
    assert loaded(name, folder).digest == digest
    assert spoilt.read_bytes() == whole
    assert f"{spoilt} is corrupted; downloading it again" in caplog.text


@pytest.mark.parametrize("name", ["kmnist", "cifar100", "svhn"])
def test_a_download_that_is_cut_off_is_neither_used_nor_left(
    name: str, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(name, mirror, monkeypatch)
    mirror.cut = True
    with pytest.raises(DataError, match="the downloaded file does not have the published MD5"):
        loaded(name, folder)
    assert left(folder) == []
    mirror.cut = False
    assert len(loaded(name, folder).test) == TEST


def test_a_server_that_does_not_answer_is_given_up_on_soon(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("svhn", mirror, monkeypatch)
    monkeypatch.setattr(published, "CONNECT_SECONDS", 0.2)
    mirror.silent = True
    start = time.monotonic()
    with pytest.raises(DataError, match="timed out"):
        loaded("svhn", folder)
    assert time.monotonic() - start < 5


def test_what_cannot_be_had_is_one_message_that_says_what_to_put_where(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("cifar10", mirror, monkeypatch)
    packed = mirror.files.pop(CIFAR10.filename)
    with pytest.raises(DataError) as refused:
        loaded("cifar10", folder)
    for words in (
        "CIFAR10 cannot be downloaded",
        f"{folder / 'cifar-10-batches-py' / 'data_batch_1'}: missing",
        f"{mirror.address}{CIFAR10.filename}: HTTP Error 404",
        f"{folder / CIFAR10.filename}  (MD5 {CIFAR10.tgz_md5})",
    ):
        assert words in str(refused.value)
    (folder / CIFAR10.filename).write_bytes(packed)
    assert len(loaded("cifar10", folder).train) == TRAIN - 4


def test_an_interrupted_download_goes_on_with_what_is_lacking(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("mnist", mirror, monkeypatch)
    last = MNIST.resources[-1][0]
    content = mirror.files.pop(last)
    with pytest.raises(DataError, match=last):
        loaded("mnist", folder)
    assert len(left(folder)) == 3
    mirror.files[last] = content
    mirror.asked.clear()
    loaded("mnist", folder)
    assert {name.rpartition("/")[2] for name in mirror.asked} == {last}


def test_a_killed_download_leaves_nothing_in_place_and_its_remains_are_removed(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("svhn", mirror, monkeypatch)
    mirror.silent = True
    process = multiprocessing.get_context("fork").Process(target=loaded, args=("svhn", folder))
    process.start()
    deadline = time.monotonic() + 60
    while not mirror.asked and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert mirror.asked
    assert list(folder.glob(".SVHN-*"))
    assert left(folder) == []
    mirror.silent = False
    assert len(loaded("svhn", folder).test) == TEST
    assert not list(folder.glob(".SVHN-*"))


class Malicious:
    """Its pickle, when it is read, writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path, bytes]]:
        return Path.write_bytes, (self.target, b"")


def test_a_file_found_in_the_folder_is_not_unpickled_before_it_is_verified(
    mirror: Mirror, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("cifar10", mirror, monkeypatch)
    loaded("cifar10", folder)
    mirror.files.clear()
    for path in (folder / CIFAR10.base_folder).iterdir():
        whole = path.read_bytes()
        path.write_bytes(pickle.dumps(Malicious(tmp_path / "written")))
        with pytest.raises(DataError, match=f"{path.name}: corrupted"):
            loaded("cifar10", folder)
        path.write_bytes(whole)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_not_even_a_file_with_the_right_sum_can_run_anything(
    name: str, mirror: Mirror, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harmful = pickle.dumps(Malicious(tmp_path / "written"))
    publish_cifar(CIFAR10, mirror, monkeypatch, {name: harmful})
    with pytest.raises(DataError, match=f"{name} is not read, it holds more than arrays"):
        loaded("cifar10", folder)
    assert not (tmp_path / "written").exists()


def test_an_archive_that_does_not_hold_the_published_files_is_refused(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("cifar10", mirror, monkeypatch)
    for listed, words in {
        ("data_batch_1", md5(b"another")): "data_batch_1 does not have the published MD5",
        ("data_batch_9", md5(b"another")): "does not hold cifar-10-batches-py/data_batch_9",
    }.items():
        monkeypatch.setattr(CIFAR10, "train_list", [listed])
        with pytest.raises(DataError, match=words):
            loaded("cifar10", folder)
        assert left(folder) == []


def test_an_archive_member_outside_the_folder_is_not_unpacked(
    mirror: Mirror, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_cifar(CIFAR10, mirror, monkeypatch, {"../../escaped": b"content"})
    loaded("cifar10", folder)
    assert not list(tmp_path.rglob("escaped"))


def test_only_the_known_sets_of_torchvision_are_accepted() -> None:
    for override, words in {
        "data.dataset=torchvision.datasets.EMNIST": "data.dataset=torchvision.datasets.EMNIST is refused: it accepts",
        "+data.nonsense=1": "data.nonsense: no such key",
    }.items():
        with pytest.raises(ConfigError, match=words):
            load(compose_job(["data=mnist", override]).data)


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the data folder .* cannot be written"):
        loaded("mnist", tmp_path / "file" / "data")
