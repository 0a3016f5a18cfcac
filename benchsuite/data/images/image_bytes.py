"""What the bytes of one image file hold. Imports no torch: processes that only resize start the sooner."""

from __future__ import annotations

import io

from PIL import Image

_JPEG_START = b"\xff\xd8"
# Frame headers of JPEG; C4, C8 and CC are other segments.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decode(content: bytes) -> Image.Image:
    """Return an image as RGB. ILSVRC-2012 has greyscale and CMYK files, and one PNG named ``.JPEG``.

    Raises:
        OSError: if it is no image, or a damaged one.
    """
    with Image.open(io.BytesIO(content)) as opened:
        return opened.convert("RGB")


def jpeg_channels(content: bytes | memoryview) -> int | None:
    """Return how many channels a JPEG file says it has, or None if it is no JPEG file."""
    if content[:2] != _JPEG_START:
        return None
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FRAMES:
            return content[at + 9]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
