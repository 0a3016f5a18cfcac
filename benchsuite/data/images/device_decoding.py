"""JPEG files decoded by a CUDA device, a batch at a time; what it does not read is decoded on the host."""

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
"""From JPEG files' bytes, uint8 on the host, to images, uint8 of shape (3, height, width), on the device."""


def nvjpeg(contents: list[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Decode by torchvision's decoder for CUDA.

    Raises:
        RuntimeError: if it refuses one of them; it does not say which.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    # torchvision takes memory of the current stream's and writes there on a stream of its own without waiting for what
    # is queued, which may still read what the memory held before (pytorch/vision pull request 9606). May go once the
    # oldest torchvision that we support waits by itself.
    torch.cuda.current_stream(device).synchronize()
    try:
        images: list[Tensor] = decode_jpeg(contents, mode=ImageReadMode.RGB, device=device)
    except RuntimeError:
        # Those before the refused one may still be written, on the decoder's stream, to memory that is free by now.
        torch.cuda.synchronize(device)
        raise
    return images


def require_decoder(decoder: DeviceDecoder, device: torch.device) -> None:
    """Decode a small image, so that a build without a decoder is not taken for a data set that nothing can read.

    Raises:
        DataError: if it cannot be decoded.
    """
    written = io.BytesIO()
    Image.new("RGB", (16, 16)).save(written, format="JPEG")
    try:
        decoder([torch.frombuffer(bytearray(written.getvalue()), dtype=torch.uint8)], device)
    except torch.OutOfMemoryError:
        raise  # says nothing of the decoder
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
    """Decode a batch; what the decoder cannot read is decoded on the host, as is a whole batch of which it refuses one.

    Args:
        contents: the files' bytes, uint8 on the host.
        drawn: each image's own random number.
        view: what is made of each.
        device: where images go.
        name: what messages call an image, by its place in the batch.
        decoder: who decodes on the device.

    Returns:
        uint8, shape (images, 3, image_size, image_size).

    Raises:
        DataError: naming an image that the host cannot decode either.
    """
    # NVIDIA's library reads one or three channels; CMYK and PNG files are a few dozen in all of ImageNet.
    own = [place for place, content in enumerate(contents) if jpeg_channels(content.numpy().data) in (1, 3)]
    decoded = _decoded([contents[place] for place in own], device, decoder)
    images = {} if decoded is None else dict(zip(own, decoded, strict=True))
    seen = []
    for place, content in enumerate(contents):
        image = images[place] if place in images else _on_host(content, name, place)
        seen.append(view(image, drawn[place]).to(device))
    return torch.stack(seen)


def _decoded(contents: list[Tensor], device: torch.device, decoder: DeviceDecoder) -> Sequence[Tensor] | None:
    """Return the images, or None if one of them is refused."""
    try:
        return decoder(contents, device) if contents else ()
    except torch.OutOfMemoryError:
        raise  # says nothing of the images
    except RuntimeError:
        return None


def _on_host(content: Tensor, name: Callable[[int], str], place: int) -> Image.Image:
    try:
        return decode(content.numpy().tobytes())
    except Exception as error:  # a damaged file makes a codec raise anything
        raise DataError(undecodable(name(place), error)) from None


def undecodable(name: str, error: BaseException) -> str:
    """Return what a person reads of an image that no decoder reads."""
    return f"{name}: cannot be decoded ({one_line(error)}); replace it"
