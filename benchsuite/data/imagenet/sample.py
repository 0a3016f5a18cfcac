"""Generated images in ImageNet's folder layout: learnable patterns to test the whole pipeline with."""

from __future__ import annotations

import colorsys
import shutil
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from benchsuite.data.wording import one_line
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import GeneratedImages

# The unusual files that ILSVRC-2012 has among its colour JPEGs; here the first training images of each class.
_ODD = ("L", "CMYK", "PNG")


def sample_folder(spec: GeneratedImages, data_root: Path) -> Path:
    """Return the folder of a generated sample; it need not exist yet."""
    return data_root / f"imagenet-sample-{spec.classes}-{spec.train_images}-{spec.test_images}-{spec.data_seed}"


def make_sample(spec: GeneratedImages, data_root: Path) -> Path:
    """Return the folder of a generated sample, creating it if missing.

    Each class is a pattern of stripes with its own direction, width and two colours, at random sizes, positions and
    brightness, with noise. Image sizes and shapes differ; some images are greyscale, CMYK, or a PNG named ``.JPEG``.

    Raises:
        DataError: if the folder cannot be written.
    """
    folder = sample_folder(spec, data_root)
    if folder.is_dir():
        return folder
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        with FileLock(data_root / f".{folder.name}.lock"):
            if not folder.is_dir():
                part = data_root / f".{folder.name}.part"
                shutil.rmtree(part, ignore_errors=True)
                _write(spec, part)
                part.replace(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({one_line(error)}); check free space and permissions") from error
    return folder


def _write(spec: GeneratedImages, folder: Path) -> None:
    for label in range(spec.classes):
        wnid = f"n{90000000 + label}"
        for part, count in (("train", spec.train_images), ("val", spec.test_images)):
            (folder / part / wnid).mkdir(parents=True)
            for number in range(count):
                seed = [spec.data_seed, part == "val", label, number]
                image = Image.fromarray(_draw(label, spec.classes, np.random.default_rng(seed)))
                odd = _ODD[number] if part == "train" and number < len(_ODD) else ""
                path = folder / part / wnid / f"{wnid}_{number}.JPEG"
                if odd == "PNG":
                    image.save(path, format="PNG")
                else:
                    image.convert(odd or "RGB").save(path, format="JPEG", quality=90)


def _draw(label: int, classes: int, random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = (int(side) for side in random.integers(72, 128, 2))
    direction = np.pi * label / classes + random.normal(0, 0.05)
    waves = (3 + label % 4) * random.uniform(0.9, 1.1)
    rows, columns = np.mgrid[:height, :width] / 100
    phase = 2 * np.pi * waves * (columns * np.cos(direction) + rows * np.sin(direction)) + random.uniform(0, 2 * np.pi)
    stripes = (np.sin(phase) > 0)[..., None]
    colours = [np.array(colorsys.hsv_to_rgb((label / classes + shift) % 1, 0.7, 0.9)) for shift in (0.0, 0.35)]
    values = np.where(stripes, *colours) * random.uniform(0.6, 1.0) + random.normal(0, 0.12, (height, width, 3))
    return (values.clip(0, 1) * 255).astype(np.uint8)
