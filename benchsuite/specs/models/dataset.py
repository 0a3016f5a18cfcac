"""Which examples are learned and tested on, and how their pixels become numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.augmentation import CropAndFlip, RandomResizedCrop
from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel


class Normalization(SpecModel):
    """Inputs become ``(value / 255 - mean) / std`` (``value - mean`` over ``std`` for data that is not uint8)."""

    mean: tuple[float, ...] = (0.0,)
    """One number for all channels, or one a channel."""
    std: tuple[float, ...] = (1.0,)
    """One number for all channels, or one a channel; never zero."""

    @model_validator(mode="after")
    def _no_zero(self) -> Normalization:
        if any(s <= 0 for s in self.std):
            raise ValueError("std must be above 0 in every channel")
        return self


class DatasetBase(DocumentedSpec):
    """What every data set has, whatever it is read from."""

    normalization: Normalization = Normalization()
    """Applied on the device, to each batch."""
    train_limit: int | None = Field(default=None, gt=0)
    """Use only the first so many training examples; for smoke tiers."""
    test_limit: int | None = Field(default=None, gt=0)
    """Use only the first so many test examples; for smoke tiers."""


class ResidentBase(DatasetBase):
    """What every data set has that is held on the device as a whole."""

    later_fields = frozenset({"augmentation"})

    augmentation: CropAndFlip | None = None
    """What is drawn anew for each training image and epoch; nothing is, where the network is measured."""


class DigitsDataset(ResidentBase):
    """scikit-learn's bundled 8x8 digits: 1,797 real scans, on every machine without a download."""

    kind: Literal["digits"]
    test_examples: int = Field(default=360, gt=0, lt=1797)
    """How many of the examples are held out, stratified by class."""
    split_seed: int = Field(default=0, ge=0)
    """Which examples those are; the same for every run, whatever its seed."""


class MnistDataset(ResidentBase):
    """MNIST through torchvision's reader, checked against the canonical files' checksums."""

    kind: Literal["mnist"]


class CifarDataset(ResidentBase):
    """CIFAR-10 or CIFAR-100 (fine labels) in torchvision's folders, checked against the published checksums."""

    kind: Literal["cifar10", "cifar100"]


class ArraysDataset(ResidentBase):
    """A user's own arrays: a ``.npz`` with x_train, y_train, x_test and y_test, or four ``.npy`` files so named."""

    kind: Literal["arrays"]
    path: str
    """The ``.npz``, or the folder of ``.npy`` files; relative to the data root."""
    classes: int | None = Field(default=None, gt=1)
    """How many classes there are; the largest label plus one if not given."""


class ImageFolderDataset(ResidentBase):
    """Folders ``train/<class>/*`` and ``test/<class>/*`` of images, decoded once and resized to one size."""

    kind: Literal["image_folder"]
    path: str
    """The folder that holds ``train`` and ``test``; relative to the data root."""
    height: int = Field(gt=0, le=1024)
    """Pixels; images of another size are resized."""
    width: int = Field(gt=0, le=1024)
    """Pixels; images of another size are resized."""
    channels: Literal[1, 3] = 3
    """1 for greyscale, 3 for RGB; images of another kind are converted."""


class GeneratedImages(SpecModel):
    """JPEG files made on this machine in ImageNet's folders, so that the whole path can be tried without a download."""

    classes: int = Field(default=8, gt=1, le=1000)
    train_images: int = Field(default=24, gt=0)
    """Of each class."""
    test_images: int = Field(default=8, gt=0)
    """Of each class."""
    data_seed: int = Field(default=0, ge=0)
    """Which images; the same for every run, whatever its seed."""


class ImagenetDataset(DatasetBase):
    """ImageNet (ILSVRC-2012) in its folders: ``train/<wnid>/*.JPEG``, and ``val`` in class folders or flat."""

    kind: Literal["imagenet"]
    path: str = "imagenet"
    """The folder that holds ``train`` and ``val``; relative to the data root."""
    image_size: int = Field(default=224, gt=0, le=1024)
    """Side in pixels of what the network sees."""
    resize: int = Field(default=256, gt=0, le=2048)
    """Where the network is measured, the shorter side is brought to so many pixels and the middle is cut out."""
    augmentation: RandomResizedCrop | None = RandomResizedCrop(kind="random_resized_crop")
    """What is drawn anew for each training image and epoch; without, training images are cut as those measured on."""
    stored_side: int | None = Field(default=None, gt=0, le=2048)
    """Read what `benchsuite data prepare imagenet` made of the files: images whose shorter side has at most so many
    pixels. They are not the files' own pixels, so it is another data set. None reads the files."""
    decoder: Literal["processes", "device"] = "processes"
    """Who decodes JPEG: worker processes, with Pillow; or a CUDA device, which rounds otherwise."""
    sample: GeneratedImages | None = None
    """Take generated images instead; for smoke and quick tiers."""

    @model_validator(mode="after")
    def _crop_fits(self) -> ImagenetDataset:
        if self.image_size > self.resize:
            raise ValueError(f"image_size {self.image_size} cannot be cut out of a shorter side of {self.resize}")
        if self.sample and self.stored_side:
            raise ValueError("a sample is generated, not prepared; leave out stored_side or sample")
        return self


class SyntheticDataset(ResidentBase):
    """Seeded random images whose class is a noisy linear function of them: for tests and for speed."""

    kind: Literal["synthetic"]
    train_examples: int = Field(default=1024, gt=0)
    test_examples: int = Field(default=256, gt=0)
    channels: int = Field(default=1, gt=0)
    height: int = Field(default=8, gt=0)
    width: int = Field(default=8, gt=0)
    classes: int = Field(default=10, gt=1)
    data_seed: int = Field(default=0, ge=0)
    """Which random data; the same for every run, whatever its seed."""


class PluginDataset(ResidentBase):
    """A data set read by a plugin's own reader (hook ``benchsuite_datasets``)."""

    kind: Literal["plugin"]
    reader: Name
    """The reader's name."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the reader as they are."""


ResidentDatasetSpec = (
    DigitsDataset | MnistDataset | CifarDataset | ArraysDataset | ImageFolderDataset | SyntheticDataset | PluginDataset
)
"""What is read as a whole and held on the device."""

DatasetSpec = Annotated[ResidentDatasetSpec | ImagenetDataset, Field(discriminator="kind")]
"""Every kind of data set. Records hold these specs, so they are read where no plugin is installed: the kinds are fixed,
and data sets of plugins are of ``kind: plugin``. What is read for each kind is in ``benchsuite.data.builtin``."""
