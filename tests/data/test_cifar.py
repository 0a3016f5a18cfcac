"""Checked against torchvision's own reader and its list of checksums, on stand-ins written as Python 2 pickled."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import time
from dataclasses import replace

import pytest
import torch
from torchvision import datasets

from benchsuite.data.cifar import files as cifar_files
from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError
from benchsuite.execution.plan import describe
from benchsuite.specs.models.dataset import CifarDataset

from .conftest import packed_cifar

THEIRS = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
KINDS = sorted(THEIRS)


def spec_of(kind, **fields):
    return CifarDataset(kind=kind, name=kind, **fields)


def refusal(kind, data_root, **options):
    with pytest.raises(DataError) as caught:
        load_dataset(spec_of(kind), data_root, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"data set '{kind}': ")
    return str(caught.value)


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(cifar_files, "list_mirrors", lambda _: pytest.fail("asked for the network"))


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_checksums_are_torchvisions(kind):
    files, theirs = cifar_files.PUBLISHED[kind], THEIRS[kind]
    assert [list(pair) for pair in files.train] == theirs.train_list
    assert [list(pair) for pair in files.test] == theirs.test_list
    assert (files.folder, files.archive) == (theirs.base_folder, theirs.filename)
    assert files.archive_md5 == theirs.tgz_md5
    assert cifar_files.list_mirrors(files)[0] + files.archive == theirs.url


@pytest.mark.parametrize("kind", KINDS)
def test_it_equals_torchvisions_reader(tmp_path, tiny_cifar, put_cifar, no_network, monkeypatch, kind):
    """Catches: batches out of order, labels of another file or the coarse ones, channels mistaken for columns."""
    put_cifar(tmp_path, kind, tiny_cifar[kind])
    monkeypatch.setattr(THEIRS[kind], "_load_meta", lambda _: None)  # class names: a file that nobody here reads
    dataset = load_dataset(spec_of(kind), tmp_path)
    assert dataset.canonical is True
    assert dataset.classes == {"cifar10": 10, "cifar100": 100}[kind]
    for train, inputs, targets in (
        (True, dataset.train_inputs, dataset.train_targets),
        (False, dataset.test_inputs, dataset.test_targets),
    ):
        theirs = THEIRS[kind](tmp_path, train=train)
        assert inputs.dtype == torch.uint8
        assert torch.equal(inputs, torch.from_numpy(theirs.data).permute(0, 3, 1, 2))
        assert targets.tolist() == theirs.targets


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_keeps_the_first_of_the_published_order(tmp_path, tiny_cifar, put_cifar, kind):
    """The URFB paper learns from the first 45,000."""
    put_cifar(tmp_path, kind, tiny_cifar[kind])
    whole = load_dataset(spec_of(kind), tmp_path)
    limited = load_dataset(spec_of(kind, train_limit=7), tmp_path)
    assert torch.equal(limited.train_inputs, whole.train_inputs[:7])
    assert len(limited.test_targets) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_archive_beside_the_folder_is_unpacked(tmp_path, tiny_cifar, put_cifar, no_network, kind):
    put_cifar(tmp_path, kind, tiny_cifar[kind], packed=True)
    assert len(load_dataset(spec_of(kind), tmp_path, download=False).test_targets) == 10
    folder = tmp_path / cifar_files.PUBLISHED[kind].folder
    assert {p.name for p in folder.iterdir()} == set(tiny_cifar[kind])


class Detonator:
    """Pickled, it makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_not_as_published_is_never_unpickled(tmp_path, tiny_cifar, put_cifar, no_network, packed):
    """Catches the checksum looked at too late: a pickle runs what it says."""
    blown = tmp_path / "blown"
    bomb = pickle.dumps(Detonator(blown))
    put_cifar(tmp_path, "cifar10", tiny_cifar["cifar10"] | {"data_batch_3": bomb}, packed=packed)
    message = refusal("cifar10", tmp_path, download=False)
    assert "data_batch_3" in message
    assert "is not CIFAR-10 as published" in message
    assert dict(cifar_files.PUBLISHED["cifar10"].train)["data_batch_3"][:16] in message
    assert "delete" in message
    assert not blown.exists()
    pickle.loads(bomb)  # noqa: S301 - ours
    assert blown.exists(), "the bomb is none"


@pytest.mark.parametrize("damage", [lambda c: c[:-7], lambda c: c + b"\0", lambda c: c[:-9] + b"\xaa" + c[-8:]])
def test_a_changed_file_is_refused(tmp_path, tiny_cifar, put_cifar, damage):
    contents = tiny_cifar["cifar100"]
    put_cifar(tmp_path, "cifar100", contents | {"test": damage(contents["test"])})
    assert "test is not CIFAR-100 as published" in refusal("cifar100", tmp_path)


def test_one_batch_under_anothers_name_is_refused(tmp_path, tiny_cifar, put_cifar):
    """Catches a check that only asks whether the checksum is one of the published."""
    contents = tiny_cifar["cifar10"]
    put_cifar(tmp_path, "cifar10", contents | {"data_batch_1": contents["test_batch"]})
    assert "data_batch_1 is not CIFAR-10 as published" in refusal("cifar10", tmp_path)


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (lambda good: good[: len(good) // 2], "is not a complete .tar.gz"),
        (lambda good: b"<html>", "is not a complete .tar.gz"),
        (lambda good: gzip.compress(b"no tar"), "is not a complete .tar.gz"),
        (lambda good: packed_cifar("cifar100", {}), "it holds no cifar-100-python/train, cifar-100-python/test"),
    ],
)
def test_a_wrong_archive_is_refused_and_leaves_nothing_wrong(tmp_path, tiny_cifar, no_network, archive, says):
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(archive(packed_cifar("cifar100", tiny_cifar["cifar100"])))
    assert says in refusal("cifar100", tmp_path, download=False)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "cifar-100-python.tar.gz"]
    assert all(p.read_bytes() == tiny_cifar["cifar100"][p.name] for p in left)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forbid", ["argument", "environment"])
def test_without_leave_to_download_the_message_says_what_to_put_where(tmp_path, monkeypatch, no_network, kind, forbid):
    if forbid == "environment":
        monkeypatch.setenv("BENCHSUITE_OFFLINE", "1")
    files = cifar_files.PUBLISHED[kind]
    message = refusal(kind, tmp_path, download=forbid == "environment")
    for part in (str(tmp_path / files.folder), *files.names, f"{files.archive} into {tmp_path}", "BENCHSUITE_DATA"):
        assert part in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_the_archive_is_downloaded_once(tmp_path, tiny_cifar, serve, monkeypatch, kind):
    files = cifar_files.PUBLISHED[kind]
    packed = packed_cifar(kind, tiny_cifar[kind])
    checksum = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(cifar_files.PUBLISHED, kind, replace(files, archive_md5=checksum))
    address, asked = serve({files.archive: packed})
    monkeypatch.setattr(cifar_files, "list_mirrors", lambda _: [address])
    first = load_dataset(spec_of(kind), tmp_path)
    assert torch.equal(load_dataset(spec_of(kind), tmp_path).train_inputs, first.train_inputs)
    assert asked == [f"/{files.archive}"]


def test_a_mirror_that_is_not_there_costs_seconds_and_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(cifar_files, "list_mirrors", lambda _: ["http://127.0.0.1:9/"])
    started = time.monotonic()
    assert "the download failed (127.0.0.1: " in refusal("cifar10", tmp_path)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_knows_the_published_sizes_without_the_files(tmp_path, registry, kind):
    shape = describe(spec_of(kind, train_limit=45_000), registry, tmp_path / "nowhere")
    assert (shape.input_shape, shape.train_examples) == ((3, 32, 32), 45_000)
    assert shape.classes == {"cifar10": 10, "cifar100": 100}[kind]
    assert shape.size_bytes == 55_000 * 3072
