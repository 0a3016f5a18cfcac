"""Seeded random images labelled by a noisy linear function of their pixels, for tests and speed measurements."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchsuite.data.bit_stream import draw_bytes, make_bits
from benchsuite.data.checks import require_memory
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import SyntheticDataset

NOISE_SHARE = 8
"""Inverse of the noise level: the noise on a class's score has 1/8 of the score's own standard deviation."""

_CHUNK_VALUES = 1 << 22


def make_synthetic(spec: SyntheticDataset, *, test: bool = True) -> DecodedDataset:
    """Generate the data set of a seed; it is the same on every machine.

    The class is the argmax of a fixed linear map of the centred pixels, plus noise. The map's entries are +1 and -1, so
    the scores of all classes have the same variance and the classes are about equally frequent. All sums are sums of
    integers, so they are exact and a library's order of summation cannot change a label.

    Args:
        spec: sizes, number of classes and seed.
        test: False to make no test examples.

    Returns:
        Images of uint8, uniform over 0 to 255.

    Raises:
        DataError: if they would not fit in memory.
    """
    shape = (spec.channels, spec.height, spec.width)
    pixels = math.prod(shape)
    require_memory((spec.train_examples + spec.test_examples) * pixels, f"synthetic data {spec.name}")
    signs = draw_bytes(make_bits(spec.data_seed, 0), pixels * spec.classes).reshape(pixels, spec.classes) % 2
    weight = 2.0 * signs.astype(np.float64) - 1.0

    def draw(stream: int, examples: int) -> tuple[Tensor, Tensor]:
        images = draw_bytes(make_bits(spec.data_seed, stream), examples * pixels).reshape(examples, pixels)
        noise = draw_bytes(make_bits(spec.data_seed, stream, 1), examples * spec.classes)
        labels = _label(images, weight, noise.reshape(examples, spec.classes))
        return torch.from_numpy(images.reshape(examples, *shape)), torch.from_numpy(labels)

    if not test:
        return DecodedDataset.without_test(*draw(1, spec.train_examples), classes=spec.classes)
    return DecodedDataset(*draw(1, spec.train_examples), *draw(2, spec.test_examples), classes=spec.classes)


def _label(images: NDArray[np.uint8], weight: NDArray[np.float64], noise: NDArray[np.uint8]) -> NDArray[np.int64]:
    examples, pixels = images.shape
    labels = np.empty(examples, dtype=np.int64)
    rows = max(1, _CHUNK_VALUES // pixels)
    for start in range(0, examples, rows):
        chunk = slice(start, start + rows)
        # 2v - 255 centres a byte and stays an integer; a sum of n of them has sqrt(n) times the sd of one.
        scores = (2.0 * images[chunk] - 255.0) @ weight
        labels[chunk] = np.argmax(NOISE_SHARE * scores + math.isqrt(pixels) * (2.0 * noise[chunk] - 255.0), axis=1)
    return labels
