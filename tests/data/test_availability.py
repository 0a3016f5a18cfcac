"""Checked against what a run would find, and against a fresh interpreter that must not have loaded torch."""

import subprocess
import sys

import numpy as np
import pytest

from benchsuite.data.availability import availability
from benchsuite.specs.models.dataset import (
    ArraysDataset,
    CifarDataset,
    DigitsDataset,
    ImageFolderDataset,
    MnistDataset,
    PluginDataset,
    SyntheticDataset,
)

MNIST = MnistDataset(kind="mnist", name="mnist")


@pytest.mark.parametrize(
    "spec",
    [
        DigitsDataset(kind="digits", name="digits"),
        SyntheticDataset(kind="synthetic", name="synthetic"),
        PluginDataset(kind="plugin", name="plugin", reader="theirs"),
    ],
)
def test_data_that_need_no_files_are_there(tmp_path, spec):
    found = availability(spec, tmp_path / "nowhere")
    assert found.found
    assert found.detail


def test_mnist_is_there_when_its_four_files_are(tmp_path, tiny_mnist, put_mnist):
    folder = put_mnist(tmp_path, tiny_mnist)
    assert availability(MNIST, tmp_path).found
    (folder / "train-labels-idx1-ubyte").unlink()
    found = availability(MNIST, tmp_path)
    assert not found.found
    assert "1 of 4 files missing" in found.detail
    assert "downloaded when first used" in found.detail


def test_half_an_mnist_file_is_not_there(tmp_path, tiny_mnist, put_mnist):
    name = "train-images-idx3-ubyte"
    put_mnist(tmp_path, tiny_mnist | {name: tiny_mnist[name][:100]})
    found = availability(MNIST, tmp_path)
    assert not found.found
    assert "has 100 bytes, expected" in found.detail


@pytest.mark.parametrize(("kind", "last"), [("cifar10", "test_batch"), ("cifar100", "test")])
def test_cifar_is_there_when_its_files_or_its_archive_are(tmp_path, tiny_cifar, put_cifar, kind, last):
    spec = CifarDataset(kind=kind, name=kind)
    folder = put_cifar(tmp_path, kind, tiny_cifar[kind])
    assert availability(spec, tmp_path).found
    (folder / last).unlink()
    found = availability(spec, tmp_path)
    assert not found.found
    assert f"1 of {len(tiny_cifar[kind])} files missing" in found.detail
    assert "downloaded when first used" in found.detail
    put_cifar(tmp_path, kind, tiny_cifar[kind], packed=True)
    found = availability(spec, tmp_path)
    assert found.found
    assert "unpacked when first used" in found.detail


def test_offline_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHSUITE_OFFLINE", "1")
    assert "BENCHSUITE_OFFLINE forbids" in availability(MNIST, tmp_path).detail


def test_arrays_are_there_when_their_path_is(tmp_path):
    spec = ArraysDataset(kind="arrays", name="mine", path="mine")
    assert not availability(spec, tmp_path).found
    (tmp_path / "mine").mkdir()
    assert "x_train.npy, y_train.npy, x_test.npy, y_test.npy missing" in availability(spec, tmp_path).detail
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.save(tmp_path / "mine" / f"{name}.npy", np.zeros(1))
    assert availability(spec, tmp_path).found


def test_an_image_folder_is_there_when_both_parts_are(tmp_path):
    spec = ImageFolderDataset(kind="image_folder", name="pictures", path="pictures", height=8, width=8)
    (tmp_path / "pictures" / "train").mkdir(parents=True)
    assert availability(spec, tmp_path).detail.endswith("no folder test")
    (tmp_path / "pictures" / "test").mkdir()
    assert availability(spec, tmp_path).found


def test_looking_loads_nothing_heavy():
    """``benchsuite list datasets`` has half a second."""
    code = (
        "import sys, pathlib, benchsuite.data.availability as a, benchsuite.data.roots as r;"
        "from benchsuite.specs.models.dataset import MnistDataset;"
        "a.availability(MnistDataset(kind='mnist', name='m'), r.find_data_root());"
        "print([m for m in ('torch', 'torchvision', 'numpy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
