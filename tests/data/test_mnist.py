"""Checked against torchvision's own reader and published numbers where MNIST is here, else against tiny stand-ins."""

import gzip
import socket
import time

import pytest
import torch

from benchsuite.data import fetching
from benchsuite.data.load import load_dataset
from benchsuite.data.mnist import files as mnist_files
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import MnistDataset

SPEC = MnistDataset(kind="mnist", name="mnist")


def refusal(data_root, **options):
    with pytest.raises(DataError) as caught:
        load_dataset(SPEC, data_root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_equals_torchvisions_reader(mnist_root):
    """Catches: a header read as pixels, labels of another file, images transposed."""
    from torchvision.datasets import MNIST

    dataset = load_dataset(SPEC, mnist_root, download=False)
    assert dataset.canonical is True
    for train, inputs, targets in (
        (True, dataset.train_inputs, dataset.train_targets),
        (False, dataset.test_inputs, dataset.test_targets),
    ):
        theirs = MNIST(mnist_root, train=train)
        assert torch.equal(inputs, theirs.data.unsqueeze(1))
        assert torch.equal(targets, theirs.targets)


def test_mean_and_deviation_are_the_ones_everybody_uses(mnist_root):
    values = load_dataset(SPEC, mnist_root, download=False).train_inputs / 255
    assert values.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert values.std().item() == pytest.approx(0.3081, abs=5e-5)


def test_files_in_place_are_read_without_a_network(tmp_path, tiny_mnist, put_mnist, monkeypatch):
    put_mnist(tmp_path, tiny_mnist)
    monkeypatch.setattr(mnist_files, "list_mirrors", lambda: pytest.fail("asked for the network"))
    dataset = load_dataset(SPEC, tmp_path)
    assert dataset.train_inputs.shape == (20, 1, 28, 28)
    assert bytes(dataset.test_inputs.flatten().tolist()) == tiny_mnist["t10k-images-idx3-ubyte"][16:]
    assert bytes(dataset.train_targets.tolist()) == tiny_mnist["train-labels-idx1-ubyte"][8:]
    assert dataset.canonical is True
    assert dataset.classes == 10


def test_gzipped_files_beside_their_places_are_unpacked(tmp_path, tiny_mnist, put_mnist):
    folder = put_mnist(tmp_path, tiny_mnist, packed=True)
    assert len(load_dataset(SPEC, tmp_path, download=False).test_targets) == 10
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize("damage", [lambda c: c[:-7], lambda c: c + b"\0", lambda c: c[:-1] + b"\xaa", lambda c: b""])
def test_a_changed_file_is_refused_with_both_checksums(tmp_path, tiny_mnist, put_mnist, damage):
    name = "train-images-idx3-ubyte"
    put_mnist(tmp_path, tiny_mnist | {name: damage(tiny_mnist[name])})
    message = refusal(tmp_path)
    assert f"{name} is not MNIST as published" in message
    assert mnist_files.MNIST_FILES[0].sha256[:16] in message
    assert "delete the file to download it again" in message


def test_fashion_mnist_under_mnists_names_is_refused(tmp_path, tiny_mnist, put_mnist):
    """The same sizes and headers, other images."""
    other = {name: content[:16] + content[:15:-1] for name, content in tiny_mnist.items()}
    put_mnist(tmp_path, other)
    assert "not MNIST as published" in refusal(tmp_path)


def test_a_damaged_gz_is_refused_and_leaves_nothing(tmp_path, tiny_mnist, put_mnist):
    folder = put_mnist(tmp_path, {})
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(tiny_mnist["train-images-idx3-ubyte"])[:-40])
    assert "train-images-idx3-ubyte.gz is not a complete gzip file" in refusal(tmp_path)
    assert [p.name for p in folder.iterdir()] == ["train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("forbid", ["argument", "environment"])
def test_without_leave_to_download_the_message_says_what_to_put_where(tmp_path, monkeypatch, forbid):
    monkeypatch.setattr(mnist_files, "list_mirrors", lambda: pytest.fail("asked for the network"))
    if forbid == "environment":
        monkeypatch.setenv("BENCHSUITE_OFFLINE", "1")
    message = refusal(tmp_path, download=forbid == "environment")
    assert str(tmp_path / "MNIST" / "raw") in message
    for file in mnist_files.MNIST_FILES:
        assert file.name in message
    assert "--data-root or BENCHSUITE_DATA" in message
    assert not (tmp_path / "MNIST").exists()


@pytest.fixture
def mirror(serve, monkeypatch):
    """Make a mirror on this machine the only one: mirror({file name: content}) returns what is asked of it."""

    def only(pages):
        address, asked = serve(pages)
        monkeypatch.setattr(mnist_files, "list_mirrors", lambda: [address])
        return asked

    return only


def test_missing_files_are_downloaded_once(tmp_path, tiny_mnist, put_mnist, mirror):
    asked = mirror({f"{name}.gz": gzip.compress(content, mtime=0) for name, content in tiny_mnist.items()})
    put_mnist(tmp_path, {"train-labels-idx1-ubyte": tiny_mnist["train-labels-idx1-ubyte"]})
    first = load_dataset(SPEC, tmp_path)
    assert len(asked) == 3
    assert torch.equal(load_dataset(SPEC, tmp_path).train_inputs, first.train_inputs)
    assert len(asked) == 3


@pytest.mark.parametrize("page", [b"<html>log in to this network</html>", gzip.compress(b"other data", mtime=0), b""])
def test_a_mirror_that_sends_something_else_leaves_no_file(tmp_path, mirror, page):
    mirror({f"{file.name}.gz": page for file in mnist_files.MNIST_FILES})
    message = refusal(tmp_path)
    assert "the download failed (127.0.0.1: MD5 hash of downloaded file (train-images-idx3-ubyte.gz)" in message
    assert f"expected md5:{mnist_files.MNIST_FILES[0].packed_md5}" in message
    assert not [p for p in (tmp_path / "MNIST" / "raw").iterdir() if not p.name.endswith(".lock")]


def test_a_mirror_without_the_files_is_asked_once(tmp_path, mirror):
    asked = mirror({})
    assert "404" in refusal(tmp_path)
    assert len(asked) == 1


def test_a_silent_mirror_does_not_hold_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        monkeypatch.setattr(mnist_files, "list_mirrors", lambda: [address, address])
        started = time.monotonic()
        assert "the download failed (127.0.0.1: " in refusal(tmp_path)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("module", "limit", "value", "says"),
    [
        (fetching, "MOST_BYTES", 100, "sent more than 100"),
        (mnist_files, "DOWNLOAD_TIMEOUT_S", 0, "the download took too long"),
    ],
)
def test_a_mirror_that_sends_without_end_is_left(tmp_path, tiny_mnist, mirror, monkeypatch, module, limit, value, says):
    """Catches limits that are never asked: a mirror could fill the disk, or drip for a day."""
    mirror({f"{name}.gz": gzip.compress(content, mtime=0) for name, content in tiny_mnist.items()})
    monkeypatch.setattr(module, limit, value)
    assert f"the download failed (127.0.0.1: {says}" in refusal(tmp_path)
    assert not [p for p in (tmp_path / "MNIST" / "raw").iterdir() if not p.name.endswith(".lock")]


def test_the_second_mirror_is_asked_when_the_first_fails(tmp_path, tiny_mnist, serve, monkeypatch):
    """Catches one mirror's failure that ends the download, and a mirror that is asked again for each file."""
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in tiny_mnist.items()}
    (broken, asked), (whole, _) = serve(dict.fromkeys(packed, b"")), serve(packed)
    monkeypatch.setattr(mnist_files, "list_mirrors", lambda: [broken, whole])
    assert len(load_dataset(SPEC, tmp_path).test_targets) == 10
    assert len(asked) == 1


def test_a_root_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "MNIST").write_text("a file where the folder should be")
    assert "cannot be written there" in refusal(tmp_path)


def test_mirrors_and_checksums_are_torchvisions():
    from torchvision.datasets import MNIST

    assert sorted((f"{file.name}.gz", file.packed_md5) for file in mnist_files.MNIST_FILES) == sorted(MNIST.resources)
    mirrors = mnist_files.list_mirrors()
    assert mirrors
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in mirrors)
