"""Augmentation of training images, drawn anew for each example and epoch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from benchsuite.specs.models.base import SpecModel


class CropAndFlip(SpecModel):
    """Random crop of the zero-padded image and random mirroring; for data held on the device."""

    kind: Literal["crop_and_flip"]
    padding: int = Field(default=4, ge=0, le=64)
    """Pixels of value zero at each edge, before normalisation; the crop has the image's original size."""
    flip: bool = True
    """Mirror each image left to right with probability one half."""


class RandomResizedCrop(SpecModel):
    """A crop of random area, aspect ratio and position, resized to the network's input; as in torchvision."""

    kind: Literal["random_resized_crop"]
    area: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest fraction of the image's area in the crop."""
    aspect: tuple[float, float] = (0.75, 1.3333333333333333)
    """Smallest and largest ratio of width to height of the crop."""
    flip: bool = True
    """Mirror each image left to right with probability one half."""

    @field_validator("area", "aspect")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("needs two numbers above 0, the smaller first")
        return value
