"""A generated ImageNet as data sets read it, and small files of every kind that is among the real ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import TypeAdapter

from benchsuite.data.images.streamed import StreamedData, StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.specs.models.dataset import DatasetSpec, GeneratedImages, ImagenetDataset

SAMPLE = GeneratedImages(classes=3, train_images=6, test_images=4)
CPU = torch.device("cpu")


def spec(**fields: Any) -> ImagenetDataset:
    content = {"kind": "imagenet", "name": "imagenet", "image_size": 48, "resize": 56, **fields}
    return TypeAdapter(DatasetSpec).validate_python(content)  # type: ignore[no-any-return]


def streamed(root: Path, processes: int = 0, **fields: Any) -> StreamedData:
    dataset = load_dataset(spec(**fields), root.parent)
    assert isinstance(dataset, StreamedDataset)
    return StreamedData(dataset, CPU, processes)


def epoch(data: StreamedData, order: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draws = data.draw_augmentation(torch.Generator().manual_seed(seed))
    parts = [slice(0, 8), slice(8, 16), slice(16, 18)]
    batches = list(data.train_batches(order, parts, draws))
    assert [len(targets) for _, targets in batches] == [8, 8, 2]
    inputs, targets = (torch.cat(values) for values in zip(*batches, strict=True))
    return inputs, targets


def written(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind)
    return stream.getvalue()


COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
FILES = {
    "RGB": (written(COLOURS, "JPEG"), 3),
    "greyscale": (written(COLOURS.convert("L"), "JPEG"), 1),
    "CMYK": (written(COLOURS.convert("CMYK"), "JPEG"), 4),
    "PNG": (written(COLOURS, "PNG"), None),
    "PNG with a palette": (written(COLOURS.convert("P"), "PNG"), None),
    "PNG with transparency": (written(COLOURS.convert("RGBA"), "PNG"), None),
}
