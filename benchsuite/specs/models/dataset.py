"""Data sets: the training and test examples, and their normalisation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from benchsuite.specs.models.augmentation import CropAndFlip, RandomResizedCrop
from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel


class Normalization(SpecModel):
    """Input normalisation: ``(value / 255 - mean) / std``, or ``(value - mean) / std`` for data that is not uint8."""

    mean: tuple[float, ...] = (0.0,)
    """One number for all channels, or one per channel."""
    std: tuple[float, ...] = (1.0,)
    """One number for all channels, or one per channel; never zero."""

    @model_validator(mode="after")
    def _no_zero(self) -> Normalization:
        if any(s <= 0 for s in self.std):
            raise ValueError("std must be above 0 in every channel")
        return self


class DatasetBase(DocumentedSpec):
    """Fields of every data set."""

    normalization: Normalization = Normalization()
    """Normalisation, applied to each batch on the device."""
    train_limit: int | None = Field(default=None, gt=0)
    """Use only the first training examples, up to this number; for smoke tiers."""
    test_limit: int | None = Field(default=None, gt=0)
    """Use only the first test examples, up to this number; for smoke tiers."""


class ValidationSplit(SpecModel):
    """Training examples to choose settings on: a fixed draw from the whole training set, stratified by class."""

    examples: int = Field(gt=0)
    """Number of examples. They are drawn before ``train_limit``, so all tiers of a track have the same."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw; the same for every run, independent of the run's seed."""
    final_runs_learn: Literal["all", "rest"] = "all"
    """Examples that final runs learn, whose result is the test error. ``all``: these too; the settings of runs, and so
    their hashes, are then those of a data set without validation examples. ``rest``: they stay held out, and errors on
    them are measured beside those on the test set. Tuning always learns the rest."""


class ResidentBase(DatasetBase):
    """Fields of every data set that is held on the device as a whole."""

    omit_default_from_hash = frozenset({"augmentation", "validation_examples", "validation", "withhold_test"})

    validation: ValidationSplit | None = None
    """Training examples that `benchsuite tune` measures errors on."""
    withhold_test: bool = False
    """Never read the test set, and hold out ``validation``. Set by `benchsuite tune`, whose choices must not depend on
    test examples."""

    validation_examples: int | None = Field(default=None, gt=0)
    """Also measure errors on this number of training examples, which are never learned: those that follow the first
    ``train_limit``."""
    augmentation: CropAndFlip | None = None
    """Augmentation drawn anew for each training image and epoch; never used in evaluation."""

    @model_validator(mode="after")
    def _holds_out_what_is_left(self) -> ResidentBase:
        if self.validation_examples and self.train_limit is None:
            raise ValueError("validation_examples follow the first train_limit training examples; give train_limit too")
        if self.validation_examples and self.validation:
            raise ValueError("give validation or validation_examples, not both")
        if self.withhold_test and not self.validation:
            raise ValueError("without test examples, errors need validation; give it too")
        return self

    @property
    def drawn_examples(self) -> int:
        """Number of examples that ``validation`` holds out; 0 if runs learn them."""
        split = self.validation
        return split.examples if split and (self.withhold_test or split.final_runs_learn == "rest") else 0

    def for_final_runs(self) -> Self:
        """Return the spec without ``validation`` if final runs learn all examples: it then changes nothing."""
        return self if self.drawn_examples else self.model_copy(update={"validation": None})

    def for_tuning(self) -> Self:
        """Return the spec for tuning: the test set is not read, and ``validation`` is held out.

        Raises:
            ValueError: if the data set has no ``validation``.
        """
        if self.validation is None:
            raise ValueError(f"data set '{self.name}' has no validation examples; add validation: {{examples: 5000}}")
        split = self.validation.model_copy(update={"final_runs_learn": "rest"})
        return self.model_copy(update={"validation": split, "withhold_test": True})


class DigitsDataset(ResidentBase):
    """scikit-learn's bundled 8x8 digits: 1,797 real scans that need no download."""

    kind: Literal["digits"]
    test_examples: int = Field(default=360, gt=0, lt=1797)
    """Number of test examples, held out stratified by class."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of the choice of test examples; the same for every run, independent of the run's seed."""


class MnistDataset(ResidentBase):
    """MNIST through torchvision's reader, verified with the checksums of the published files."""

    kind: Literal["mnist"]


class CifarDataset(ResidentBase):
    """CIFAR-10 or CIFAR-100 (fine labels) in torchvision's folders, verified with the published checksums."""

    kind: Literal["cifar10", "cifar100"]


class ArraysDataset(ResidentBase):
    """A user's arrays: a ``.npz`` with x_train, y_train, x_test and y_test, or four ``.npy`` files of these names."""

    kind: Literal["arrays"]
    path: str
    """The ``.npz``, or the folder of ``.npy`` files; relative to the data root."""
    classes: int | None = Field(default=None, gt=1)
    """Number of classes; the largest label plus one if not given."""


class ImageFolderDataset(ResidentBase):
    """Image folders ``train/<class>/*`` and ``test/<class>/*``, decoded once and resized to one size."""

    kind: Literal["image_folder"]
    path: str
    """The folder with ``train`` and ``test``; relative to the data root."""
    height: int = Field(gt=0, le=1024)
    """In pixels; images of another size are resized."""
    width: int = Field(gt=0, le=1024)
    """In pixels; images of another size are resized."""
    channels: Literal[1, 3] = 3
    """1 for greyscale, 3 for RGB; other images are converted."""


class GeneratedImages(SpecModel):
    """JPEG files generated locally in ImageNet's folder layout, to test the whole pipeline without a download."""

    classes: int = Field(default=8, gt=1, le=1000)
    train_images: int = Field(default=24, gt=0)
    """Training images per class."""
    test_images: int = Field(default=8, gt=0)
    """Test images per class."""
    data_seed: int = Field(default=0, ge=0)
    """Seed of the images; the same for every run, independent of the run's seed."""


class ImagenetDataset(DatasetBase):
    """ImageNet (ILSVRC-2012) as folders: ``train/<wnid>/*.JPEG``, and ``val`` in class folders or flat."""

    kind: Literal["imagenet"]
    path: str = "imagenet"
    """The folder with ``train`` and ``val``; relative to the data root."""
    image_size: int = Field(default=224, gt=0, le=1024)
    """Side in pixels of the network's input."""
    resize: int = Field(default=256, gt=0, le=2048)
    """In evaluation, resize the shorter side to this number of pixels, then crop the centre."""
    augmentation: RandomResizedCrop | None = RandomResizedCrop(kind="random_resized_crop")
    """Augmentation drawn anew for each training image and epoch; if None, crop as in evaluation."""
    stored_side: int | None = Field(default=None, gt=0, le=2048)
    """Read the files made by `benchsuite data prepare imagenet`: images whose shorter side has at most this number of
    pixels. Their pixels differ from the original files, so it counts as another data set. None reads the originals."""
    decoder: Literal["processes", "device"] = "processes"
    """Decoder of JPEG: worker processes with Pillow, or a CUDA device, which rounds differently."""
    sample: GeneratedImages | None = None
    """Use generated images instead; for smoke and quick tiers."""

    @model_validator(mode="after")
    def _crop_fits(self) -> ImagenetDataset:
        if self.image_size > self.resize:
            raise ValueError(f"image_size {self.image_size} cannot be cut out of a shorter side of {self.resize}")
        if self.sample and self.stored_side:
            raise ValueError("a sample is generated, not prepared; leave out stored_side or sample")
        return self


class SyntheticDataset(ResidentBase):
    """Seeded random images whose class is a noisy linear function of the pixels; for tests and timing."""

    kind: Literal["synthetic"]
    train_examples: int = Field(default=1024, gt=0)
    test_examples: int = Field(default=256, gt=0)
    channels: int = Field(default=1, gt=0)
    height: int = Field(default=8, gt=0)
    width: int = Field(default=8, gt=0)
    classes: int = Field(default=10, gt=1)
    data_seed: int = Field(default=0, ge=0)
    """Seed of the data; the same for every run, independent of the run's seed."""


class PluginDataset(ResidentBase):
    """A data set read by a plugin's reader (hook ``benchsuite_datasets``)."""

    kind: Literal["plugin"]
    reader: Name
    """Name of the reader."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the reader unchanged."""


ResidentDatasetSpec = (
    DigitsDataset | MnistDataset | CifarDataset | ArraysDataset | ImageFolderDataset | SyntheticDataset | PluginDataset
)
"""Data sets that are read as a whole and held on the device."""

DatasetSpec = Annotated[ResidentDatasetSpec | ImagenetDataset, Field(discriminator="kind")]
"""Every kind of data set. Records hold these specs, so they are read where no plugin is installed: the kinds are fixed,
and data sets of plugins are of ``kind: plugin``. What is read for each kind is in ``benchsuite.data.builtin``."""
