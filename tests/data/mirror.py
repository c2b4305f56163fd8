"""A server on loopback with small data sets in the forms in which torchvision's are published."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN

NAMES = {"mnist": MNIST, "kmnist": KMNIST, "cifar10": CIFAR10, "cifar100": CIFAR100, "svhn": SVHN}
TRAIN, TEST = 20, 8


@dataclass
class Mirror:
    """A server on the loopback: what it has, what it was asked for, and how it misbehaves."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: bool = False
    silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            mirror.asked.append(name)
            if mirror.silent:
                mirror.over.wait(10)
            elif name not in mirror.files:
                self.send_error(404)
            else:
                content = mirror.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if mirror.cut else content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}/")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield mirror
        mirror.over.set()
        server.shutdown()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def pixels(count: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8) % 10


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    return gzip.compress(head + values.tobytes(), mtime=0)


def python_2_array(values: np.ndarray) -> bytes:
    """The opcodes with which Python 2 pickled an array of bytes, as in the published files."""
    shape = b"".join(b"J" + struct.pack("<i", length) for length in values.shape)
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    content = values.tobytes()
    return empty + b"(K\x01(" + shape + b"t" + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"


def batch(count: int, key: str) -> bytes:
    listed = b"(l" + b"".join(b"I%d\na" % label for label in labels(count))
    head = b"\x80\x02}(U\x04data" + python_2_array(pixels(count, (3072,)))
    return head + b"U" + bytes([len(key)]) + key.encode() + listed + b"u."


def publish_mnist(kind: type, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [
        *(idx(pixels(TRAIN, (28, 28))), idx(labels(TRAIN))),
        *(idx(pixels(TEST, (28, 28))), idx(labels(TEST))),
    ]
    files = {name: content for (name, _), content in zip(MNIST.resources, contents, strict=True)}
    mirror.files |= files
    monkeypatch.setattr(kind, "mirrors", [f"{mirror.address}nowhere/", mirror.address])
    monkeypatch.setattr(kind, "resources", [(name, md5(content)) for name, content in files.items()])


def publish_cifar(
    kind: type, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, replaced: dict[str, bytes] | None = None
) -> None:
    fine = kind is CIFAR100
    key = "fine_labels" if fine else "labels"
    batches = {"train": TRAIN} if fine else {"data_batch_1": TRAIN - 5, "data_batch_2": 5}
    tests = "test" if fine else "test_batch"
    names = {kind.meta["key"]: [f"class {number}" for number in range(100 if fine else 10)]}
    contents = {name: batch(count, key) for name, count in (batches | {tests: TEST}).items()}
    contents[kind.meta["filename"]] = pickle.dumps(names, protocol=0)
    contents |= replaced or {}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{kind.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    mirror.files[kind.filename] = packed.getvalue()
    monkeypatch.setattr(kind, "url", mirror.address + kind.filename)
    monkeypatch.setattr(kind, "tgz_md5", md5(packed.getvalue()))
    monkeypatch.setattr(kind, "train_list", [[name, md5(contents[name])] for name in batches])
    monkeypatch.setattr(kind, "test_list", [[tests, md5(contents[tests])]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(contents[kind.meta["filename"]])})


def publish_svhn(kind: type, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {}
    for split, count in (("train", TRAIN), ("test", TEST)):
        content = io.BytesIO()
        numbers = labels(count)[:, None]
        savemat(
            content,
            {"X": pixels(count, (3, 32, 32)).transpose(2, 3, 1, 0), "y": np.where(numbers == 0, 10, numbers)},
            do_compression=True,
        )
        name = f"{split}_32x32.mat"
        mirror.files[name] = content.getvalue()
        listed[split] = [mirror.address + name, name, md5(content.getvalue())]
    monkeypatch.setattr(SVHN, "split_list", listed)


def publish(name: str, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = NAMES[name]
    write = publish_svhn if kind is SVHN else publish_cifar if kind in (CIFAR10, CIFAR100) else publish_mnist
    write(kind, mirror, monkeypatch)
