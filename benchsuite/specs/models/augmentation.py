"""What becomes of a training image before the network sees it, drawn anew for each example and epoch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from benchsuite.specs.models.base import SpecModel


class CropAndFlip(SpecModel):
    """The image shifted at random within a border of zeros, and every other one mirrored; for data on the device."""

    kind: Literal["crop_and_flip"]
    padding: int = Field(default=4, ge=0, le=64)
    """Pixels of value zero at each edge, before normalisation; the crop has the image's own size."""
    flip: bool = True
    """Whether half of the images, drawn at random, are mirrored left to right."""


class RandomResizedCrop(SpecModel):
    """A part of the image of random area, shape and place, resized to the network's input; as torchvision's."""

    kind: Literal["random_resized_crop"]
    area: tuple[float, float] = (0.08, 1.0)
    """The part's smallest and largest share of the image."""
    aspect: tuple[float, float] = (0.75, 1.3333333333333333)
    """Its smallest and largest width relative to its height."""
    flip: bool = True
    """Whether half of the images, drawn at random, are mirrored left to right."""

    @field_validator("area", "aspect")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("needs two numbers above 0, the smaller first")
        return value
