"""Checked against the pixels that were written, torchvision's antialiased resize, and files that are not images."""

import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ImageFolderDataset


def spec(channels=3, height=4, width=4, **fields):
    size = {"height": height, "width": width, "channels": channels}
    return ImageFolderDataset(kind="image_folder", name="pictures", path="pictures", **size, **fields)


def picture(colour=(200, 30, 60), size=(4, 4), mode="RGB"):
    return Image.new("RGB", size, colour).convert(mode)


@pytest.fixture
def folder(tmp_path):
    """Two classes, one red and one blue, one PNG each in train and test."""
    for split in ("train", "test"):
        for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            picture(colour).save(tmp_path / "pictures" / split / name / "a.png")
    return tmp_path / "pictures"


def load(folder, **fields):
    return load_dataset(spec(**fields), folder.parent)


def refusal(folder, **fields):
    with pytest.raises(DataError) as caught:
        load(folder, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_classes_are_numbered_by_name(folder):
    dataset = load(folder)
    assert dataset.classes == 2
    for inputs, targets in (
        (dataset.train_inputs, dataset.train_targets),
        (dataset.test_inputs, dataset.test_targets),
    ):
        assert inputs.shape == (2, 3, 4, 4)
        assert inputs.dtype == torch.uint8
        assert targets.tolist() == [0, 1]
        assert inputs[0].amax((1, 2)).tolist() == [0, 0, 255]  # blue comes before red
        assert inputs[1].amax((1, 2)).tolist() == [255, 0, 0]


def test_rows_stay_rows_and_columns_stay_columns(folder):
    """Catches: height and width exchanged."""
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    for path in folder.glob("*/*/a.png"):
        Image.fromarray(pixels).save(path)
    inputs = load(folder, height=2, width=5).train_inputs
    assert torch.equal(inputs[0], torch.from_numpy(pixels).permute(2, 0, 1))


def test_examples_take_turns_by_class_in_the_order_of_their_names(folder):
    """A limit on training examples must not leave one class only."""
    for level, name in ((10, "b.png"), (20, "c.png"), (5, "10.png")):
        picture((level, level, level)).save(folder / "train" / "blue" / name)
    dataset = load(folder)
    assert dataset.train_targets.tolist() == [0, 1, 0, 0, 0]
    assert dataset.train_inputs[:, 0, 0, 0].tolist() == [5, 255, 0, 10, 20]
    assert load(folder, train_limit=2).train_targets.tolist() == [0, 1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_every_kind_become_the_channels_asked_for(folder, mode, channels):
    suffix = {"CMYK": "jpg", "YCbCr": "jpg"}.get(mode, "png")
    options = {"quality": 100} if suffix == "jpg" else {}
    picture((255, 0, 0), mode=mode).save(folder / "train" / "red" / f"a.{suffix}", **options)
    if suffix == "jpg":
        (folder / "train" / "red" / "a.png").unlink()
    value = load(folder, channels=channels).train_inputs[1].float().mean((1, 2))
    expected = [255.0, 0.0, 0.0] if channels == 3 else [76.0]  # 0.299 of 255
    assert value.tolist() == pytest.approx(expected, abs=3)


def test_greyscale_becomes_three_equal_channels(folder):
    Image.new("L", (4, 4), 77).save(folder / "train" / "red" / "a.png")
    assert load(folder).train_inputs[1].unique().tolist() == [77]


@pytest.mark.parametrize(("level", "expected"), [(0, 0), (257 * 100, 100), (65535, 255)])
def test_sixteen_bit_greys_are_scaled_and_not_clipped(folder, level, expected):
    Image.fromarray(np.full((4, 4), level, dtype=np.uint16)).save(folder / "train" / "red" / "a.png")
    assert load(folder, channels=1).train_inputs[1].unique().tolist() == [expected]


def test_a_palette_with_transparency_keeps_its_colours(folder):
    image = picture((255, 0, 0), mode="P")
    image.save(folder / "train" / "red" / "a.png", transparency=bytes([128, 0, 7]))
    assert load(folder).train_inputs[1].amax((1, 2)).tolist() == [255, 0, 0]


def test_resizing_is_torchvisions_antialiased_bilinear(folder):
    """Catches: a resize that skips pixels, which makes other images of the same files."""
    from torchvision.transforms.v2 import functional

    pixels = np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8)
    for path in folder.glob("*/*/a.png"):
        Image.fromarray(pixels).save(path)
    expected = functional.resize(torch.from_numpy(pixels).permute(2, 0, 1), [8, 6], antialias=True)
    ours = load(folder, height=8, width=6).train_inputs[0]
    assert (ours.int() - expected.int()).abs().max() <= 1


def test_hidden_files_and_those_of_file_browsers_are_no_examples(folder):
    for name in (".DS_Store", "Thumbs.db"):
        (folder / "train" / "red" / name).write_bytes(b"not an image")
    (folder / "train" / ".cache").mkdir()
    assert len(load(folder).train_targets) == 2


def test_an_html_page_named_png_is_refused_and_named(folder):
    (folder / "train" / "red" / "b.png").write_bytes(b"<!DOCTYPE html><html>404</html>")
    message = refusal(folder)
    assert "1 file cannot be decoded" in message
    assert "train/red/b.png" in message


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_image_is_refused_and_named(folder, suffix):
    path = folder / "test" / "blue" / f"cut.{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert f"cut.{suffix}" in refusal(folder)


def test_all_broken_images_are_counted_and_the_first_are_named(folder):
    for number in range(9):
        (folder / "train" / "red" / f"broken{number}.jpg").write_bytes(b"")
    message = refusal(folder)
    assert "9 files cannot be decoded" in message
    assert "broken4.jpg" in message
    assert "broken5.jpg" not in message


def test_an_image_that_announces_billions_of_pixels_is_refused_before_it_is_decoded(folder):
    path = folder / "train" / "red" / "bomb.png"
    picture().save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (20000).to_bytes(4, "big") * 2  # width and height in the header
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    assert "bomb.png" in refusal(folder)


def test_thirty_two_bit_values_are_refused_since_their_range_is_unknown(folder):
    Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)).save(folder / "train" / "red" / "a.tiff")
    assert "a.tiff" in refusal(folder)


def test_a_folder_among_the_images_is_refused(folder):
    (folder / "train" / "red" / "more").mkdir()
    assert "more (IsADirectoryError" in refusal(folder)


def test_a_missing_folder_says_what_to_put_where(tmp_path):
    message = refusal(tmp_path / "pictures")
    assert "no such folder" in message
    assert "--data-root or BENCHSUITE_DATA" in message


def test_a_missing_split_is_named(folder):
    (folder / "test").rename(folder / "validation")
    assert "pictures/test: cannot be listed" in refusal(folder)


def test_an_empty_class_is_named(folder):
    (folder / "train" / "red" / "a.png").unlink()
    assert "train/red: is empty" in refusal(folder)


def test_a_single_class_is_refused(tmp_path):
    (tmp_path / "pictures" / "train" / "red").mkdir(parents=True)
    assert "found 1 classes, expected at least 2" in refusal(tmp_path / "pictures")


def test_a_file_among_the_classes_is_named(folder):
    picture().save(folder / "train" / "stray.png")
    assert "found the file stray.png" in refusal(folder)


def test_train_and_test_must_hold_the_same_classes(folder):
    """Catches: classes numbered apart in train and test, which looks like a network that learned nothing."""
    (folder / "test" / "red").rename(folder / "test" / "green")
    message = refusal(folder)
    assert "only in train: red" in message
    assert "only in test: green" in message
