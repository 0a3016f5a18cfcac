"""Crops of images as network inputs, random or central, with three channels of 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from benchsuite.specs.models.dataset import ImagenetDataset


class View:
    """Crop of an image as the network's input: random for training, central for evaluation.

    torchvision draws random crops from torch's global stream, which is seeded per image with the image's own random
    number and restored afterwards. So crops depend neither on the number of processes nor on which one decodes.
    """

    def __init__(self, spec: ImagenetDataset, learning: bool) -> None:
        """Set up torchvision's transforms.

        Args:
            spec: sizes and augmentation.
            learning: whether the images are for training.
        """
        # torchvision takes twice as long to import as torch, and only runs on files of images need it.
        from torchvision.transforms import v2

        crop = spec.augmentation if learning else None
        self.transforms: Callable[[Any], Any]
        if crop is None:
            self.transforms = v2.Compose([v2.Resize(spec.resize), v2.CenterCrop(spec.image_size)])
        else:
            size = (spec.image_size, spec.image_size)
            cut = v2.RandomResizedCrop(size, scale=crop.area, ratio=crop.aspect)
            self.transforms = v2.Compose([cut, v2.RandomHorizontalFlip(0.5 if crop.flip else 0.0)])
        self._to_tensor: Callable[[Any], Tensor] = v2.functional.pil_to_tensor

    def __call__(self, image: Image.Image | Tensor, drawn: int) -> Tensor:
        """Return the view, uint8 of shape (3, image_size, image_size).

        Args:
            image: RGB, or uint8 of shape (3, height, width) on any device.
            drawn: the image's random number; without effect if nothing is random.
        """
        before = torch.random.get_rng_state()
        torch.default_generator.manual_seed(drawn)
        try:
            seen = self.transforms(image)
        finally:
            torch.random.set_rng_state(before)
        return seen if isinstance(seen, Tensor) else self._to_tensor(seen)
