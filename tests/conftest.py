"""What all tests share: no test touches the network, the user's folders or another test's state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchsuite.registry.manager import Registry, build_registry, installed_registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder

from . import factories

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep caches out of the user's home and downloads off; what a test needs of them it sets itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("BENCHSUITE_OFFLINE", "1")
    for name in ("BENCHSUITE_SPECS", "BENCHSUITE_STORE", "BENCHSUITE_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """Give torch its threads back: a run sets them for its process, and sums are added up in another order then."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def registry() -> Registry:
    """Return the registry of installed plugins."""
    return installed_registry()


@pytest.fixture
def own_registry() -> Registry:
    """Return a registry that a test may register event plugins with."""
    return build_registry()


@pytest.fixture
def library() -> SpecLibrary:
    """Return the library of built-in specs."""
    return SpecLibrary([builtin_folder()])


@pytest.fixture(scope="session")
def mnist_root() -> Path | None:
    """Return a data root that holds MNIST, or None on a machine without it."""
    for candidate in (os.environ.get("BENCHSUITE_DATA"), REPOSITORY.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def make_record():
    return factories.make_record


@pytest.fixture(scope="session")
def make_seeds():
    return factories.make_seeds


@pytest.fixture(scope="session")
def make_angles():
    return factories.make_angles


@pytest.fixture(scope="session")
def make_experiment():
    return factories.make_experiment
