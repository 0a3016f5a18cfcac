"""Decode the bytes of an image file. Imports no torch, so that processes that only resize start faster."""

from __future__ import annotations

import io

from PIL import Image

_JPEG_START = b"\xff\xd8"
# Frame headers of JPEG; C4, C8 and CC are other segments.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode(content: bytes) -> Image.Image:
    """Decode an image to RGB. ILSVRC-2012 has greyscale and CMYK files, and one PNG named ``.JPEG``.

    Raises:
        OSError: if it is not an image or is damaged.
    """
    with Image.open(io.BytesIO(content)) as opened:
        return opened.convert("RGB")


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
