"""Oracle: what lies in folders that people unpack, link and copy. Each file is an example, or is named and counted."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.imagenet.prepare import prepare_imagenet
from benchsuite.data.imagenet.sample import make_sample
from benchsuite.data.images.packing import make_pack
from benchsuite.data.images.sources import FileImages
from benchsuite.data.load import load_dataset
from benchsuite.data.verification import check_dataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ImageFolderDataset

from .imagenet_cases import FILES, SAMPLE, spec, streamed

CLASS = "n90000000"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample(SAMPLE, tmp_path_factory.mktemp("sample"))


@pytest.fixture
def root(sample: Path, tmp_path: Path) -> Path:
    """Return a copy of a generated ImageNet that a test may change."""
    shutil.copytree(sample, tmp_path / "root" / "imagenet")
    return tmp_path / "root" / "imagenet"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # addresses of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def an_empty_file(path: Path) -> None:
    path.touch()


def a_link_out(path: Path) -> None:
    outside = path.parents[4] / "secret.JPEG"
    outside.write_bytes(FILES["RGB"][0])
    path.symlink_to(outside)


def a_broken_link(path: Path) -> None:
    path.symlink_to("nowhere.JPEG")


def a_folder(path: Path) -> None:
    path.mkdir()


UNOPENED: dict[Callable[[Path], None], str] = {
    a_pipe: "a named pipe",
    a_socket: "a socket",
    a_device: "a device",
    an_empty_file: "empty",
    a_link_out: "a link that leaves",
    a_broken_link: "No such file",
    a_folder: "a folder",
}


def bomb() -> bytes:
    """Return a PNG of 60,000 x 60,000 pixels, as small as compression makes it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )


UNDECODABLE = {
    "cut.JPEG": FILES["RGB"][0][:300],
    "text.JPEG": b"this is a text\n" * 40,
    "bomb.JPEG": bomb(),
}


def test_all_that_is_no_plain_file_is_named_and_counted_before_any_is_opened(root: Path) -> None:
    """Catches a named pipe that is waited for without end, and a link that reads files of another user."""
    for number, make in enumerate(UNOPENED):
        make(root / "train" / CLASS / f"a{number}.JPEG")
    with pytest.raises(DataError) as caught:
        list_imagenet(root)
    message = str(caught.value)
    assert message.startswith(f"{len(UNOPENED)} files cannot be decoded as an image: ")
    for number, said in enumerate(list(UNOPENED.values())[:5]):
        assert f"a{number}.JPEG ({said}" in message


@pytest.mark.parametrize("make", UNOPENED, ids=lambda make: make.__name__)
def test_each_is_named_in_an_image_folder_too(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "data" / "pictures"
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            (folder / split / name / "a.png").write_bytes(FILES["PNG"][0])
    make(folder / "train" / "cat" / "b.png")
    size = {"height": 4, "width": 4, "path": "pictures"}
    with pytest.raises(DataError, match=r"1 file cannot be decoded as an image: .*train/cat/b\.png"):
        load_dataset(ImageFolderDataset(kind="image_folder", name="pictures", **size), folder.parent)


def test_a_link_within_the_folders_is_a_file(root: Path) -> None:
    folder = root / "train" / CLASS
    before = len(list_imagenet(root).train)
    (folder / "z.JPEG").symlink_to(min(folder.iterdir()).name)
    assert len(list_imagenet(root).train) == before + 1


def test_every_image_that_cannot_be_decoded_is_counted_by_verify_and_by_prepare(root: Path, tmp_path: Path) -> None:
    """Catches a traceback for a PNG of 60,000 x 60,000, and a list that ends with its first entry."""
    for name, content in UNDECODABLE.items():
        (root / "train" / CLASS / name).write_bytes(content)
    _, problem = check_dataset(spec(), root.parent, {})
    listing = list_imagenet(root)
    faults = make_pack(root, listing.train, tmp_path / "train-00000", 64)
    assert len(faults) == 3
    assert not (tmp_path / "train-00000.npy").exists()
    assert problem.startswith("3 files cannot be decoded as an image")
    for name in UNDECODABLE:
        assert name in problem
        assert any(name in fault for fault in faults)
    assert "60000 x 60000" in problem or "DecompressionBomb" in problem


def test_prepare_names_what_it_cannot_decode_and_goes_on_once_it_is_gone(root: Path) -> None:
    bad = root / "val" / CLASS / "bomb.JPEG"
    bad.write_bytes(bomb())
    with pytest.raises(DataError, match=r"1 file cannot be decoded .*bomb\.JPEG .*prepare again"):
        prepare_imagenet(root, root.parent, side=64, processes=1)
    bad.write_bytes(FILES["RGB"][0])
    shutil.rmtree(root.parent / "imagenet-64")
    assert prepare_imagenet(root, root.parent, side=64, processes=1).made


def test_a_file_that_becomes_a_pipe_is_not_waited_for(root: Path) -> None:
    listing = list_imagenet(root)
    images = FileImages(root, listing.train)
    path = Path(images.name(0))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="named pipe"):
        images.read(0)


def test_names_in_unicode_and_every_colour_are_whole_epochs(root: Path) -> None:
    """Catches a silently shorter epoch."""
    folder = root / "train" / CLASS
    before = len(list_imagenet(root).train)
    names = ["kätzchen 猫.JPEG", "a\nb.JPEG", "ﬁ.JPEG", "\udcff.JPEG"]
    contents = [FILES["greyscale"][0], FILES["CMYK"][0], FILES["PNG"][0], FILES["PNG with a palette"][0]]
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    data = streamed(root)
    seen = sum(len(targets) for _, targets in data.train_slices(8))
    assert seen == len(list_imagenet(root).train) == before + len(names)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Name,Class\na,b\n", "no column ImageId or PredictionString"),
        ("", "columns: none"),
        ("ImageId,PredictionString\nval_1,\nval_2,n90000000 1 2 3 4\n", "1 line has no image or no class"),
        ("ImageId,PredictionString\nval_1\n", "1 line has"),
        ("ImageId,PredictionString\n\udcff,x\n", "cannot be read as Kaggle's"),
    ],
)
def test_a_solution_that_is_another_file_is_one_line(root: Path, content: str, says: str) -> None:
    flat(root)
    (root / "LOC_val_solution.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=says):
        list_imagenet(root)


@pytest.mark.parametrize("content", ["1\ntwo\n3", "1.5\n", "ü\n", "-3\n"])
def test_a_ground_truth_that_is_no_numbers_is_one_line(root: Path, content: str) -> None:
    flat(root)
    (root / "ILSVRC2012_validation_ground_truth.txt").write_text(content, encoding="utf-8")
    (root / "meta.mat").write_bytes(b"not reached")
    with pytest.raises(DataError, match="ILSVRC2012_validation_ground_truth"):
        list_imagenet(root)


def flat(root: Path) -> None:
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(root / "val" / f"val_{number}.JPEG", format="JPEG")
