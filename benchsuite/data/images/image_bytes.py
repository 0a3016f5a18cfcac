"""Decode the bytes of an image file. Imports no torch, so that processes that only resize start faster."""

from __future__ import annotations

import io

from PIL import Image

MAX_PIXELS = 100_000_000
"""Largest image size; a file with a larger size in its header is refused before it is decoded."""

_JPEG_START = b"\xff\xd8"
# Frame headers of JPEG; C4, C8 and CC are other segments.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode(content: bytes) -> Image.Image:
    """Decode an image to RGB. ILSVRC-2012 has greyscale and CMYK files, and one PNG named ``.JPEG``.

    Raises:
        OSError: if it is not an image or is damaged.
        ValueError: if it has more than ``MAX_PIXELS``.
    """
    with Image.open(io.BytesIO(content)) as opened:
        require_sane_size(opened)
        return opened.convert("RGB")


def require_sane_size(opened: Image.Image) -> None:
    """Raise ValueError for an image that is too large to decode; only its header has been read so far."""
    if opened.width * opened.height > MAX_PIXELS:
        raise ValueError(f"{opened.width} x {opened.height} pixels, at most {MAX_PIXELS:,} in all are decoded")


def jpeg_channels(content: bytes | memoryview) -> int | None:
    """Return the number of channels in a JPEG file's header, or None if it is not a JPEG file."""
    if content[:2] != _JPEG_START:
        return None
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FRAMES:
            return content[at + 9]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
