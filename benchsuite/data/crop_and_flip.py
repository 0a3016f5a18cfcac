"""Crop-and-flip augmentation of a whole batch at once, on the batch's device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from benchsuite.specs.models.augmentation import CropAndFlip


def draw_crops(spec: CropAndFlip, examples: int, generator: Generator) -> Tensor:
    """Draw the crop of each example and whether it is mirrored, independently per example.

    Args:
        spec: padding and flip.
        examples: number of examples.
        generator: random generator on the CPU, so that crops are the same on every device.

    Returns:
        Row, column and flip (0 or 1), shape (examples, 3), int64; rows and columns are of the padded image.

    """
    places = torch.randint(2 * spec.padding + 1, (examples, 2), generator=generator)  # (examples, 2)
    # Drawn even if nothing is mirrored, so that crops do not depend on ``flip``.
    mirrored = torch.randint(2, (examples, 1), generator=generator) * spec.flip
    return torch.cat([places, mirrored], 1)


def crop_and_flip(images: Tensor, draws: Tensor, padding: int) -> Tensor:
    """Return random crops of zero-padded images, mirrored left to right where drawn.

    Args:
        images: (examples, channels, height, width), before normalisation.
        draws: result of ``draw_crops``, (examples, 3), on the same device.
        padding: padding of the spec used for the draws.

    Returns:
        A new tensor of the same shape and dtype.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2; torchvision's RandomCrop(padding=…) and RandomHorizontalFlip.

    """
    examples, _, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    down, right, mirrored = draws.unsqueeze(2).unbind(1)
    rows = down + torch.arange(height, device=images.device)
    across = torch.arange(width, device=images.device)
    columns = right + torch.where(mirrored.bool(), width - 1 - across, across)
    # Indexed with channels last: one index per pixel takes all its channels, instead of one index per value.
    example = torch.arange(examples, device=images.device).view(-1, 1, 1)
    # (examples, height, width, channels)
    taken = padded.permute(0, 2, 3, 1)[example, rows.unsqueeze(2), columns.unsqueeze(1)]
    return taken.permute(0, 3, 1, 2).contiguous()
