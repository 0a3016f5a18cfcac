"""Oracle: torchvision's transforms, image by image, at the same offsets."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from benchsuite.data.crop_and_flip import crop_and_flip, draw_crops
from benchsuite.data.resident import ResidentData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.augmentation import CropAndFlip
from benchsuite.specs.models.dataset import Normalization

SPEC = CropAndFlip(kind="crop_and_flip")


def images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def drawn(count: int, spec: CropAndFlip = SPEC, seed: int = 1) -> torch.Tensor:
    return draw_crops(spec, count, torch.Generator().manual_seed(seed))


def by_torchvision(image: torch.Tensor, draw: torch.Tensor, padding: int) -> torch.Tensor:
    down, right, mirrored = draw.tolist()
    padded = transforms.pad(image, [padding])
    cropped = transforms.crop(padded, down, right, *image.shape[-2:])
    return transforms.horizontal_flip(cropped) if mirrored else cropped


@pytest.mark.parametrize(("shape", "padding"), [((3, 32, 32), 4), ((1, 5, 9), 2), ((3, 8, 6), 0)])
def test_a_batch_is_cropped_as_torchvision_crops_each_image(shape: tuple[int, ...], padding: int) -> None:
    """Catches rows and columns mixed up, a flip before the crop, and a border that is not black."""
    batch, draws = images(64, *shape), drawn(64, CropAndFlip(kind="crop_and_flip", padding=padding))
    expected = torch.stack([by_torchvision(i, d, padding) for i, d in zip(batch, draws, strict=True)])
    result = crop_and_flip(batch, draws, padding)
    assert torch.equal(result, expected)
    assert result.dtype == torch.uint8
    assert result.is_contiguous()


def test_every_offset_is_drawn_and_half_of_all_images_are_mirrored() -> None:
    draws = drawn(20_000)
    for axis in (0, 1):
        counts = torch.bincount(draws[:, axis], minlength=9)
        assert len(counts) == 9
        assert counts.min() > 20_000 / 9 * 0.9
    assert draws[:, 2].double().mean() == pytest.approx(0.5, abs=0.02)
    # Independent: rows and columns hardly ever agree more often than by chance.
    assert (draws[:, 0] == draws[:, 1]).double().mean() == pytest.approx(1 / 9, abs=0.02)


def test_crops_do_not_depend_on_whether_images_are_mirrored() -> None:
    plain = drawn(50, CropAndFlip(kind="crop_and_flip", flip=False))
    assert torch.equal(plain[:, :2], drawn(50)[:, :2])
    assert plain[:, 2].sum() == 0


def resident(augmentation: CropAndFlip | None = SPEC) -> ResidentData:
    data = DecodedDataset(images(40, 3, 8, 8), torch.arange(40) % 4, images(9, 3, 8, 8), torch.arange(9) % 4, 4)
    return ResidentData(data, Normalization(mean=(0.5,), std=(0.25,)), augmentation=augmentation)


def test_an_epochs_batches_are_cropped_before_they_are_normalised() -> None:
    """Catches a border of the mean's grey, and draws that go to other examples than their own."""
    data = resident()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    draws = data.draw_augmentation(torch.Generator().manual_seed(4))
    assert draws is not None
    batches = list(data.train_batches(order, [slice(0, 16), slice(16, 32), slice(32, 40)], draws))
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    expected = [by_torchvision(data.train_inputs[i], d, 4) for i, d in zip(order.tolist(), draws, strict=True)]
    torch.testing.assert_close(inputs, (torch.stack(expected).float() / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-5)
    assert torch.equal(targets, data.train_targets[order])


def test_what_is_measured_on_is_left_as_it_is() -> None:
    for part in ("train", "test"):
        first, second = (
            torch.cat([x for x, _ in getattr(data, f"{part}_slices")(7)]) for data in (resident(), resident(None))
        )
        assert torch.equal(first, second)


def test_examples_that_are_no_images_are_refused() -> None:
    data = DecodedDataset(torch.rand(4, 7), torch.arange(4) % 2, torch.rand(4, 7), torch.arange(4) % 2, 2)
    with pytest.raises(DataError, match=r"needs images \(channels, height, width\), these examples have shape \(7,\)"):
        ResidentData(data, Normalization(), augmentation=SPEC)
