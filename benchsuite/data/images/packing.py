"""Write one pack of resized images, in a worker process. Imports no torch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from benchsuite.data.imagenet.files import ListedImages
from benchsuite.data.images.image_bytes import decode, jpeg_channels, require_sane_size
from benchsuite.data.images.sources import FileImages
from benchsuite.data.wording import one_line
from benchsuite.files import replaced_atomically, write_bytes_atomically

QUALITY = 95
"""Quality of the JPEG files that are written."""


def make_pack(root: Path, images: ListedImages, path: Path, side: int) -> list[str]:
    """Write one pack, then its index, unless images cannot be decoded; return these, with the reasons."""
    source, rows, at = FileImages(root, images), [], 0
    faults: list[str] = []
    with replaced_atomically(path.with_suffix(".pack")) as stream:
        for number, label in enumerate(images.labels.tolist()):
            try:
                content = resized(source.read(number), side)
            except Exception as error:  # a damaged file makes a codec raise anything
                faults.append(f"{source.name(number)} ({one_line(error)})")
                continue
            stream.write(content)
            rows.append((at, at + len(content), label))
            at += len(content)
    if faults:
        return faults
    index = io.BytesIO()
    np.save(index, np.array(rows, dtype=np.int64))
    write_bytes_atomically(path.with_suffix(".npy"), index.getvalue())
    return []


def resized(content: bytes, side: int) -> bytes:
    """Return a JPEG file of the image with a shorter side of at most ``side``; unchanged if it already is one."""
    with Image.open(io.BytesIO(content)) as opened:
        require_sane_size(opened)
        width, height = opened.size
    if min(width, height) <= side and jpeg_channels(content) in (1, 3):
        return content
    image = decode(content)
    if min(width, height) > side:
        # As in torchvision's Resize, the longer side is rounded down.
        new = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
        image = image.resize(new, Image.Resampling.BILINEAR)
    written = io.BytesIO()
    image.save(written, format="JPEG", quality=QUALITY)
    return written.getvalue()
