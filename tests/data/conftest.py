"""Folders in which the real MNIST may lie, and tiny files made on the fly."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchsuite.data.cifar import files as cifar_files
from benchsuite.data.imagenet.sample import make_sample
from benchsuite.data.mnist import files as mnist_files
from benchsuite.data.mnist.files import MNIST_FILES, IdxFile, missing_files, raw_folder

from .imagenet_cases import SAMPLE
from .python2_pickle import python2_batch

_CANDIDATES = [Path(os.environ[name]) for name in ("BENCHSUITE_DATA",) if os.environ.get(name)]
_CANDIDATES.append(Path(__file__).parents[2].parent / "shared" / "data")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    for name in ("BENCHSUITE_DATA", "BENCHSUITE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a generated ImageNet in which a run finds it."""
    data_root = tmp_path_factory.mktemp("data")
    made = make_sample(SAMPLE, data_root)
    made.rename(data_root / "imagenet")
    return data_root / "imagenet"


@pytest.fixture
def mnist_root():
    """A data root with the whole of MNIST."""
    for root in _CANDIDATES:
        if not missing_files(raw_folder(root), MNIST_FILES):
            return root
    return pytest.skip(f"no MNIST here: looked in {', '.join(map(str, _CANDIDATES))}; set BENCHSUITE_DATA to its root")


@pytest.fixture
def tiny_mnist(monkeypatch):
    """Stand-ins for the four published files: {name: content}, of 20 and 10 images; the code believes in them."""
    generator = np.random.default_rng(0)
    contents = {}
    files = []
    for file in MNIST_FILES:
        count = 20 if file.name.startswith("train") else 10
        shape = (count, *file.shape[1:])
        header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
        high = 10 if "labels" in file.name else 256
        contents[file.name] = header + generator.integers(0, high, shape, dtype=np.uint8).tobytes()
        content = contents[file.name]
        packed_md5 = hashlib.md5(gzip.compress(content, mtime=0), usedforsecurity=False).hexdigest()
        files.append(IdxFile(file.name, shape, hashlib.sha256(content).hexdigest(), packed_md5))
    monkeypatch.setattr(mnist_files, "MNIST_FILES", tuple(files))
    return contents


@pytest.fixture
def put_mnist():
    """Write contents as MNIST's raw folder of a data root, optionally gzipped; return the folder."""

    def put(data_root, contents, *, packed=False):
        folder = raw_folder(data_root)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return folder

    return put


@pytest.fixture
def tiny_cifar(monkeypatch):
    """Stand-ins for the published files, by kind: {name: content}, 10 images a file; torchvision believes them too."""
    from torchvision import datasets

    generator = np.random.default_rng(0)
    contents = {}
    for kind, cls in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        files = cifar_files.PUBLISHED[kind]
        made = {}
        for name in files.names:
            labels = generator.integers(0, files.classes, 10).tolist()
            made[name] = python2_batch(generator.integers(0, 256, (10, 3072)), labels, files.labels)
        checked = {
            part: tuple((name, hashlib.md5(made[name], usedforsecurity=False).hexdigest()) for name, _ in listed)
            for part, listed in (("train", files.train), ("test", files.test))
        }
        monkeypatch.setitem(cifar_files.PUBLISHED, kind, replace(files, **checked))
        monkeypatch.setattr(cls, "train_list", [list(pair) for pair in checked["train"]])
        monkeypatch.setattr(cls, "test_list", [list(pair) for pair in checked["test"]])
        contents[kind] = made
    return contents


@pytest.fixture
def put_cifar():
    """Write contents as a CIFAR folder of a data root, or as its archive beside it; return where."""

    def put(data_root, kind, contents, *, packed=False):
        files = cifar_files.PUBLISHED[kind]
        if packed:
            (data_root / files.archive).write_bytes(packed_cifar(kind, contents))
            return data_root / files.archive
        folder = data_root / files.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder

    return put


def packed_cifar(kind, contents):
    """Return the archive that holds these contents, as it is published: in a folder, with files that nobody reads."""
    files = cifar_files.PUBLISHED[kind]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in {"readme.html": b"<html>", **contents}.items():
            entry = tarfile.TarInfo(f"{files.folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def serve(monkeypatch):
    """A mirror on this machine: serve({file name: content}) returns its address and the list of what is asked of it."""
    servers = []

    def start(pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                page = pages.get(self.path.rsplit("/", 1)[-1])
                if page is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        asked = []
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        return f"http://127.0.0.1:{server.server_port}/", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
