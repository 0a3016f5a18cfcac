"""Where the real MNIST may lie, and tiny files made on the fly."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from benchsuite.data import mnist_files
from benchsuite.data.mnist_files import MNIST_FILES, IdxFile, missing_files, raw_folder

_CANDIDATES = [Path(os.environ[name]) for name in ("BENCHSUITE_DATA",) if os.environ.get(name)]
_CANDIDATES.append(Path(__file__).parents[2].parent / "shared" / "data")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    for name in ("BENCHSUITE_DATA", "BENCHSUITE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


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
        files.append(IdxFile(file.name, shape, hashlib.sha256(contents[file.name]).hexdigest()))
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
