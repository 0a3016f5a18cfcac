"""Checked against Pillow decoding the same files one by one, on archives made here in the layout of the real one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchsuite.data.availability import availability
from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.data.prepared import prepare as prepare_module
from benchsuite.data.prepared.files import PREPARED
from benchsuite.data.prepared.prepare import MANIFEST, prepare, read_manifest
from benchsuite.errors import DataError
from benchsuite.execution.plan import describe
from benchsuite.specs.models.dataset import ArraysDataset

NAME = "cifar10-jpeg75"
SPEC = ArraysDataset(kind="arrays", name=NAME, path=NAME, classes=10)
CLASSES = ("airplane", "bird", "cat")


def jpeg(generator):
    pixels = np.kron(generator.integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def pack(path, files, links=()):
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return path


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small archive that is the expected one: (place, {name in it: JPEG})."""
    generator = np.random.default_rng(0)
    files = {
        f"{split}/{name}/{number:04}.jpg": jpeg(generator)
        for split, count in (("train", 4), ("test", 2))
        for name in CLASSES
        for number in range(count)
    }
    return expect(pack(tmp_path / "mine.tar.xz", files), monkeypatch), files


def expect(path, monkeypatch, examples=(12, 6)):
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = replace(PREPARED[NAME], archive_sha256=expected, classes=len(CLASSES), examples=examples)
    monkeypatch.setitem(PREPARED, NAME, changed)
    return path


def refusal(archive, root):
    with pytest.raises(DataError) as caught:
        prepare(PREPARED[NAME], archive, root)
    assert "\n" not in str(caught.value)
    assert read_manifest(PREPARED[NAME], root) is None
    return str(caught.value)


def test_the_arrays_are_the_archives_images_with_classes_taking_turns(tmp_path, archive):
    """Catches images beside other images' labels, a split mixed up, and an order in which limits lose classes."""
    place, files = archive
    done = prepare(PREPARED[NAME], place, tmp_path / "root")
    dataset = load_dataset(SPEC, tmp_path / "root")
    assert done.made
    assert done.fingerprint == fingerprint(dataset)
    for split, inputs, targets in (
        ("train", dataset.train_inputs, dataset.train_targets),
        ("test", dataset.test_inputs, dataset.test_targets),
    ):
        assert inputs.dtype == torch.uint8
        assert targets.tolist() == [0, 1, 2] * (len(targets) // 3)
        for index, image in enumerate(inputs):
            name = f"{split}/{CLASSES[index % 3]}/{index // 3:04}.jpg"
            pixels = np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))
            assert np.array_equal(image.permute(1, 2, 0).numpy(), pixels)
    left = {p.name for p in (tmp_path / "root" / NAME).iterdir()}
    assert left == {MANIFEST, "x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"}
    assert {p.name for p in (tmp_path / "root").iterdir()} <= {NAME, f".{NAME}.lock"}


def test_nothing_is_made_twice_and_the_archive_is_not_needed_again(tmp_path, archive):
    first = prepare(PREPARED[NAME], archive[0], tmp_path)
    stamp = (tmp_path / NAME / "x_train.npy").stat().st_mtime_ns
    again = prepare(PREPARED[NAME], tmp_path / "gone", tmp_path)
    assert (first.made, again.made) == (True, False)
    assert again.fingerprint == first.fingerprint
    assert (tmp_path / NAME / "x_train.npy").stat().st_mtime_ns == stamp


def test_no_place_of_this_machine_is_written_down(tmp_path, archive):
    prepare(PREPARED[NAME], archive[0], tmp_path)
    assert str(tmp_path) not in (tmp_path / NAME / MANIFEST).read_text()


def test_another_archive_is_refused_before_it_is_opened(tmp_path, archive, monkeypatch):
    monkeypatch.setattr(prepare_module.tarfile, "open", lambda *_: pytest.fail("opened"))
    archive[0].write_bytes(archive[0].read_bytes() + b"\0")
    message = refusal(archive[0], tmp_path / "root")
    assert "is not cifar10-jpeg75.tar.xz" in message
    assert PREPARED[NAME].archive_sha256[:16] in message
    assert not (tmp_path / "root" / NAME).exists()


def test_a_missing_archive_is_said_with_the_option(tmp_path, archive):
    assert "no such file; give the path of cifar10-jpeg75.tar.xz with --from" in refusal(tmp_path / "no", tmp_path)


def test_an_archive_that_reaches_outside_is_refused(tmp_path, archive, monkeypatch):
    """Catches an extraction that trusts names, should the expected archive ever be a hostile one."""
    for evil, links in (({"../../escaped.jpg": b"x"}, ()), ({}, (("train/airplane/link", "/etc/passwd"),))):
        bad = expect(pack(tmp_path / "bad.tar.xz", archive[1] | evil, links), monkeypatch)
        refusal(bad, tmp_path / "deep" / "root")
        assert not list(tmp_path.rglob("escaped.jpg"))
        assert not list(tmp_path.rglob("*.part"))


def test_an_archive_with_an_image_too_few_is_refused(tmp_path, archive, monkeypatch):
    files = {name: content for name, content in archive[1].items() if name != "train/cat/0003.jpg"}
    bad = expect(pack(tmp_path / "bad.tar.xz", files), monkeypatch)
    assert "expected (12, 6)" in refusal(bad, tmp_path)


def test_what_a_killed_preparation_left_is_taken_away(tmp_path, archive):
    left = tmp_path / f".{NAME}.part" / "images" / "train" / "dog"
    left.mkdir(parents=True)
    (left / "0000.jpg").write_bytes(b"half")
    prepare(PREPARED[NAME], archive[0], tmp_path)
    assert load_dataset(SPEC.model_copy(update={"classes": None}), tmp_path).classes == 3


def test_a_preparation_that_fails_late_leaves_no_folder(tmp_path, archive, monkeypatch):
    """Catches arrays of which the last is missing, under the name that a run reads."""

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(prepare_module.np, "save", full)
    assert "No space left on device" in refusal(archive[0], tmp_path)
    assert not (tmp_path / NAME).exists()
    assert not list(tmp_path.glob("*.part"))


def test_somebody_elses_folder_is_left_alone(tmp_path, archive):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "x_train.npy").write_bytes(b"mine")
    assert "was not made by this command" in refusal(archive[0], tmp_path)
    assert (tmp_path / NAME / "x_train.npy").read_bytes() == b"mine"


def test_what_an_older_archive_gave_does_not_count(tmp_path, archive):
    prepare(PREPARED[NAME], archive[0], tmp_path)
    manifest = tmp_path / NAME / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "archive_sha256": "0" * 64}))
    assert read_manifest(PREPARED[NAME], tmp_path) is None


def test_without_it_every_message_says_how_to_make_it(tmp_path, registry):
    command = "benchsuite data prepare cifar10-jpeg75 --from cifar10-jpeg75.tar.xz"
    with pytest.raises(DataError, match=command):
        load_dataset(SPEC, tmp_path)
    found = availability(SPEC, tmp_path)
    assert not found.found
    assert command in found.detail
    shape = describe(SPEC.model_copy(update={"train_limit": 45_000}), registry, tmp_path)
    assert (shape.input_shape, shape.classes, shape.train_examples) == ((3, 32, 32), 10, 45_000)
    with pytest.raises(DataError, match=r"put the \.npz"):
        load_dataset(SPEC.model_copy(update={"path": "mine"}), tmp_path)
