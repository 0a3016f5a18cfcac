"""Oracles: folders written by hand in ILSVRC-2012's layouts, torchvision's transforms, and the files themselves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision.transforms import v2

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.imagenet.sample import make_sample
from benchsuite.data.images.image_bytes import decode, jpeg_channels
from benchsuite.data.images.views import View
from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError

from .imagenet_cases import COLOURS, FILES, SAMPLE, epoch, spec, streamed


def flat(root: Path, folder: Path) -> dict[str, str]:
    """Copy a sample with all validation images in one folder, named as ILSVRC names them; return each one's class."""
    shutil.copytree(root / "train", folder / "train")
    (folder / "val").mkdir()
    # In an order in which classes alternate irregularly, so that no rule but the file's gives them.
    images = sorted((root / "val").rglob("*.JPEG"), key=lambda path: path.name[::-1])
    truth = {}
    for number, path in enumerate(images, 1):
        name = f"ILSVRC2012_val_{number:08}.JPEG"
        shutil.copy(path, folder / "val" / name)
        truth[name] = path.parent.name
    return truth


def write_devkit(folder: Path, truth: dict[str, str]) -> None:
    """Write the development kit's two files, with IDs in another order than the names of the classes."""
    wnids = sorted(set(truth.values()), reverse=True)
    synsets = np.array(
        [(i, w, 0) for i, w in enumerate(wnids, 1)],
        dtype=[("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("num_children", "f8")],
    )
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets.reshape(-1, 1)})
    ids = [wnids.index(truth[name]) + 1 for name in sorted(truth)]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{i}\n" for i in ids))


def write_solution(folder: Path, truth: dict[str, str]) -> None:
    """Write Kaggle's file, in an order of its own, each class followed by boxes."""
    rows = [f"{Path(name).stem},{wnid} 1 2 3 4 " for name, wnid in reversed(truth.items())]
    (folder / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("write", [write_devkit, write_solution])
@pytest.mark.parametrize("above", [False, True])
def test_a_flat_val_has_the_classes_that_its_files_say(root: Path, tmp_path: Path, write: Any, above: bool) -> None:
    """Catches IDs taken for positions in the names' order: every error would be near chance."""
    folder = tmp_path / "imagenet"
    truth = flat(root, folder)
    write(tmp_path if above else folder, truth)
    listing = list_imagenet(folder)
    found = {os.fsdecode(p): listing.wnids[c] for p, c in zip(listing.test.paths, listing.test.labels, strict=True)}
    assert found == {f"val/{name}": wnid for name, wnid in truth.items()}
    assert listing.fingerprint() != list_imagenet(root).fingerprint()


def test_a_flat_val_of_which_nothing_tells_the_classes_is_refused(root: Path, tmp_path: Path) -> None:
    flat(root, tmp_path / "imagenet")
    with pytest.raises(DataError, match="neither the development kit"):
        list_imagenet(tmp_path / "imagenet")


def test_class_folders_take_turns_so_that_a_limit_keeps_all_classes(root: Path) -> None:
    listing = list_imagenet(root)
    assert listing.wnids == ("n90000000", "n90000001", "n90000002")
    assert listing.train.labels.tolist() == [0, 1, 2] * 6
    assert listing.test.labels.tolist() == [0, 1, 2] * 4
    for path, label in zip(listing.train.paths, listing.train.labels, strict=True):
        assert os.fsdecode(path).split("/")[1] == listing.wnids[label]
    dataset = load_dataset(spec(train_limit=4), root.parent)
    assert dataset.train_targets.tolist() == [0, 1, 2, 0]


def test_the_fingerprint_changes_with_a_file_a_name_and_a_class(root: Path, tmp_path: Path) -> None:
    prints = {list_imagenet(root).fingerprint()}
    for number, change in enumerate(("size", "name", "class")):
        folder = tmp_path / change
        shutil.copytree(root, folder)
        path = next((folder / "train" / "n90000000").iterdir())
        if change == "size":
            path.write_bytes(path.read_bytes() + b"\0")
        elif change == "name":
            path.rename(path.with_name("other.JPEG"))
        else:
            path.rename(folder / "train" / "n90000001" / path.name)
        prints.add(list_imagenet(folder).fingerprint())
        assert len(prints) == number + 2


@pytest.mark.parametrize(("what", "message"), [("train", "train: no such folder"), ("val", "val: no such folder")])
def test_missing_folders_are_named(root: Path, tmp_path: Path, what: str, message: str) -> None:
    shutil.copytree(root, tmp_path / "imagenet")
    shutil.rmtree(tmp_path / "imagenet" / what)
    with pytest.raises(DataError, match=message):
        load_dataset(spec(), tmp_path)


def test_a_class_that_train_has_not_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "imagenet")
    (tmp_path / "imagenet" / "val" / "n00000001").mkdir()
    with pytest.raises(DataError, match="class 'n00000001' is not one of train's 3"):
        load_dataset(spec(), tmp_path)


# --- decoding ---


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_decodes_to_three_channels(kind: str) -> None:
    content, channels = FILES[kind]
    pixels = v2.functional.pil_to_tensor(decode(content))
    assert pixels.shape == (3, 20, 30)
    assert jpeg_channels(content) == channels
    seen = View(spec(), learning=True)(decode(content), 5)
    assert seen.shape == (3, 48, 48)
    assert seen.dtype == torch.uint8
    if kind == "greyscale":
        assert torch.equal(pixels[0], pixels[2])
    if kind == "PNG":
        assert torch.equal(pixels, v2.functional.pil_to_tensor(COLOURS))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"no image", FILES["RGB"][0][:9]])
def test_the_header_of_what_is_no_jpeg_has_no_channels(content: bytes) -> None:
    assert jpeg_channels(content) is None


def test_training_views_are_torchvisions_and_drawn_by_the_image() -> None:
    """Catches a view that depends on what was decoded before it."""
    view = View(spec(), learning=True)
    expected = []
    for drawn in (1, 2, 3):
        torch.manual_seed(drawn)
        transforms = v2.Compose([v2.RandomResizedCrop((48, 48)), v2.RandomHorizontalFlip()])
        expected.append(v2.functional.pil_to_tensor(transforms(COLOURS)))
    torch.manual_seed(9)
    state = torch.get_rng_state()
    assert torch.equal(torch.stack([view(COLOURS, n) for n in (3, 2, 1)]), torch.stack(expected[::-1]))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_measured_on_is_the_middle(root: Path) -> None:
    data = streamed(root, normalization={"mean": [0.5], "std": [0.25]})
    seen = torch.cat([inputs for inputs, _ in data.test_slices(5)])
    listing = list_imagenet(root)
    middle = v2.Compose([v2.Resize(56), v2.CenterCrop(48), v2.PILToTensor()])
    expected = []
    for path in listing.test.paths:
        with Image.open(root / os.fsdecode(path)) as image:
            expected.append(middle(image.convert("RGB")))
    torch.testing.assert_close(seen, (torch.stack(expected).float() / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-5)
    targets = torch.cat([labels for _, labels in data.test_slices(5)])
    assert targets.tolist() == listing.test.labels.tolist()


def test_an_epoch_does_not_depend_on_how_many_processes_decode(root: Path) -> None:
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    inputs, targets = epoch(streamed(root), order)
    two = streamed(root, processes=2)
    for _ in range(2):  # the second time from the processes that are there
        again, same = epoch(two, order)
        assert torch.equal(inputs, again)
        assert torch.equal(targets, same)
    assert torch.equal(targets, list_labels(root)[order])
    assert not torch.equal(epoch(two, order, seed=1)[0], inputs)


def list_labels(root: Path) -> torch.Tensor:
    return torch.from_numpy(list_imagenet(root).train.labels)


def test_a_view_belongs_to_its_place_in_the_order(root: Path) -> None:
    """Two processes that make one run each take their part of a batch, and come to the images of one process."""
    data = streamed(root)
    order = torch.arange(18)
    draws = data.draw_augmentation(torch.Generator().manual_seed(0))
    whole = torch.cat([x for x, _ in data.train_batches(order, [slice(0, 18)], draws)])
    parts = torch.cat([x for x, _ in data.train_batches(order, [slice(0, 7), slice(7, 18)], draws)])
    assert torch.equal(whole, parts)


def test_an_epoch_left_early_leaves_nothing_to_the_next(root: Path) -> None:
    """A warm-up takes one batch only."""
    data, order = streamed(root, processes=1), torch.arange(18)
    next(data.train_batches(order.flip(0), [slice(0, 8), slice(8, 18)], data.draw_augmentation(torch.Generator())))
    assert torch.equal(epoch(data, order)[0], epoch(streamed(root), order)[0])


@pytest.mark.parametrize("processes", [0, 1])
def test_a_damaged_image_is_named(root: Path, tmp_path: Path, processes: int) -> None:
    folder = tmp_path / "imagenet"
    shutil.copytree(root, folder)
    path = folder / "val" / "n90000001" / "n90000001_0.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"^.*n90000001_0\.JPEG: cannot be decoded.*replace it$"):
        list(streamed(folder, processes).test_slices(4))


# --- the generated sample ---


def test_a_sample_is_the_same_wherever_it_is_made_and_has_the_odd_files(tmp_path: Path) -> None:
    folders = [make_sample(SAMPLE, tmp_path / name) for name in ("one", "two")]
    files = [sorted(p.relative_to(folder) for p in folder.rglob("*.JPEG")) for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) == 30
    assert all((folders[0] / path).read_bytes() == (folders[1] / path).read_bytes() for path in files[0])
    kinds = {jpeg_channels((folders[0] / path).read_bytes()) for path in files[0]}
    assert kinds == {1, 3, 4, None}
    assert not list(tmp_path.rglob("*.part"))
