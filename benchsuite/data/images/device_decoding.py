"""Decode JPEG files in batches on a CUDA device; files that it cannot decode are decoded on the host."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from benchsuite.data.images.image_bytes import decode, jpeg_channels
from benchsuite.data.images.views import View
from benchsuite.data.wording import one_line
from benchsuite.errors import DataError

DeviceDecoder = Callable[[list[Tensor], torch.device], Sequence[Tensor]]
"""Maps the bytes of JPEG files, uint8 on the host, to images on the device, uint8 of shape (3, height, width)."""


def nvjpeg(contents: list[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Decode with torchvision's CUDA decoder.

    Raises:
        RuntimeError: if it refuses one of the files; it does not say which.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    # torchvision allocates memory on the current stream but writes to it on its own stream without waiting for queued
    # work, which may still read the memory's old content (pytorch/vision pull request 9606). Remove this once the
    # oldest supported torchvision waits by itself.
    torch.cuda.current_stream(device).synchronize()
    try:
        images: list[Tensor] = decode_jpeg(contents, mode=ImageReadMode.RGB, device=device)
    except RuntimeError:
        # Images before the refused one may still be written, on the decoder's stream, to memory that is now free.
        torch.cuda.synchronize(device)
        raise
    return images


def require_decoder(decoder: DeviceDecoder, device: torch.device) -> None:
    """Decode a small image, to tell a build without a decoder from a data set with unreadable files.

    Raises:
        DataError: if the image cannot be decoded.
    """
    written = io.BytesIO()
    Image.new("RGB", (16, 16)).save(written, format="JPEG")
    try:
        decoder([torch.frombuffer(bytearray(written.getvalue()), dtype=torch.uint8)], device)
    except torch.OutOfMemoryError:
        raise  # no fault of the decoder
    except (RuntimeError, AttributeError, ImportError) as error:
        complaint = f"decoder: device cannot decode JPEG on {device} ({one_line(error)}); use decoder: processes"
        raise DataError(complaint) from error


def decode_on_device(
    contents: Sequence[Tensor],
    drawn: Sequence[int],
    view: View,
    device: torch.device,
    name: Callable[[int], str],
    decoder: DeviceDecoder = nvjpeg,
) -> Tensor:
    """Decode a batch on a device.

    CMYK and PNG files are decoded on the host. If the decoder refuses another file, the whole batch is.

    Args:
        contents: the bytes of the files, uint8 on the host.
        drawn: one random number per image.
        view: the crop and augmentation of each image.
        device: device of the result.
        name: returns the name of an image in messages, by its index in the batch.
        decoder: decoder on the device.

    Returns:
        Images, uint8, shape (images, 3, image_size, image_size).

    Raises:
        DataError: if the host cannot decode an image either; it names the image.
    """
    # NVIDIA's library reads one or three channels; ImageNet has only a few dozen CMYK and PNG files.
    own = [index for index, content in enumerate(contents) if jpeg_channels(content.numpy().data) in (1, 3)]
    decoded = _decoded([contents[index] for index in own], device, decoder)
    images = {} if decoded is None else dict(zip(own, decoded, strict=True))
    seen = []
    for index, content in enumerate(contents):
        image = images[index] if index in images else _on_host(content, name, index)
        seen.append(view(image, drawn[index]).to(device))
    return torch.stack(seen)


def _decoded(contents: list[Tensor], device: torch.device, decoder: DeviceDecoder) -> Sequence[Tensor] | None:
    """Return the images, or None if the decoder refuses one."""
    try:
        return decoder(contents, device) if contents else ()
    except torch.OutOfMemoryError:
        raise  # no fault of the images
    except RuntimeError:
        return None


def _on_host(content: Tensor, name: Callable[[int], str], index: int) -> Image.Image:
    try:
        return decode(content.numpy().tobytes())
    except Exception as error:  # a damaged file makes a codec raise anything
        raise DataError(undecodable(name(index), one_line(error))) from None


def undecodable(name: str, reason: str) -> str:
    """Return the message for an image that no decoder can read."""
    return f"{name}: cannot be decoded ({reason}); `benchsuite data verify` lists all such files; replace it"
