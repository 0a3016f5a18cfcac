"""What a network sees of an image: a part of it, drawn or in the middle, as three channels of 8 bits."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from benchsuite.specs.models.dataset import ImagenetDataset


class View:
    """What the network sees of an image: a random part of it to learn from, or its middle to be measured on.

    Random parts are drawn by torchvision from torch's global stream, which is set for each image to a number that was
    drawn for it and put back afterwards: they do not depend on who decodes what, nor on how many do.
    """

    def __init__(self, spec: ImagenetDataset, learning: bool) -> None:
        """Set up the transforms, torchvision's own.

        Args:
            spec: sizes and augmentation.
            learning: whether for an image to learn from.
        """
        crop = spec.augmentation if learning else None
        self.transforms: v2.Compose
        if crop is None:
            self.transforms = v2.Compose([v2.Resize(spec.resize), v2.CenterCrop(spec.image_size)])
        else:
            size = (spec.image_size, spec.image_size)
            cut = v2.RandomResizedCrop(size, scale=crop.area, ratio=crop.aspect)
            self.transforms = v2.Compose([cut, v2.RandomHorizontalFlip(0.5 if crop.flip else 0.0)])

    def __call__(self, image: Image.Image | Tensor, drawn: int) -> Tensor:
        """Return the view, uint8 of shape (3, image_size, image_size).

        Args:
            image: RGB, or uint8 of shape (3, height, width) on any device.
            drawn: the image's own random number; of no effect where nothing is random.
        """
        before = torch.random.get_rng_state()
        torch.default_generator.manual_seed(drawn)
        try:
            seen = self.transforms(image)
        finally:
            torch.random.set_rng_state(before)
        pixels: Tensor = seen if isinstance(seen, Tensor) else v2.functional.pil_to_tensor(seen)
        return pixels
