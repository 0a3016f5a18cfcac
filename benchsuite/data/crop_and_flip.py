"""The crop-and-flip augmentation of a whole batch at once, on whatever device it lies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from benchsuite.specs.models.augmentation import CropAndFlip


def draw_crops(spec: CropAndFlip, examples: int, generator: Generator) -> Tensor:
    """Draw where each example is cropped and whether it is mirrored, independently of all others.

    Args:
        spec: how far, and whether at all.
        examples: how many.
        generator: on the CPU, so that every device crops alike.

    Returns:
        Row, column and 0 or 1, shape (examples, 3), int64; rows and columns are those of the padded image.

    """
    places = torch.randint(2 * spec.padding + 1, (examples, 2), generator=generator)
    # Drawn even where nothing is mirrored, so that crops do not depend on it.
    mirrored = torch.randint(2, (examples, 1), generator=generator) * spec.flip
    return torch.cat([places, mirrored], 1)


def crop_and_flip(images: Tensor, draws: Tensor, padding: int) -> Tensor:
    """Return each image shifted within a border of zeros and, where drawn, mirrored left to right.

    Args:
        images: (examples, channels, height, width), before normalisation.
        draws: of ``draw_crops``, (examples, 3), on the same device.
        padding: of the spec they were drawn by.

    Returns:
        The same shape and type, new memory.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2; torchvision's RandomCrop(padding=…) and RandomHorizontalFlip.

    """
    examples, _, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    down, right, mirrored = draws.unsqueeze(2).unbind(1)
    rows = down + torch.arange(height, device=images.device)
    across = torch.arange(width, device=images.device)
    columns = right + torch.where(mirrored.bool(), width - 1 - across, across)
    # Whole rows of all channels are taken first: fewer, longer pieces than pixel by pixel.
    example = torch.arange(examples, device=images.device).view(-1, 1, 1)
    taken = padded.permute(0, 2, 3, 1)[example, rows.unsqueeze(2), columns.unsqueeze(1)]
    return taken.permute(0, 3, 1, 2).contiguous()
