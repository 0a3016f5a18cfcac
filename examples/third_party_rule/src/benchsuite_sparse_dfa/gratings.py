"""Noisy gratings of four orientations, drawn from a seed: images that a linear readout of the pixels cannot tell."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from benchsuite.plugin import DataError, DatasetReader, DecodedDataset, hookimpl

BENCHSUITE_CONTRACT = 2

SIDE, CLASSES = 12, 4
DEFAULTS = {"noise": 2.0, "train_examples": 2000, "test_examples": 1000, "seed": 0}


def read_gratings(options: dict[str, Any], data_root: Path, test: bool = True) -> DecodedDataset:
    """Return gratings of 12 x 12 pixels; their class is the orientation, in steps of 45 degrees.

    Args:
        options: ``noise``, the standard deviation of the noise over the amplitude of the grating; ``train_examples``,
            ``test_examples`` and ``seed``.
        data_root: not needed, since nothing is read from files.
        test: False to leave out the test set, as `benchsuite tune` asks.

    Raises:
        DataError: if an option is unknown.

    """
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise DataError(f"gratings have no option '{unknown[0]}'; there are {', '.join(DEFAULTS)}")
    given = DEFAULTS | options
    generator = torch.Generator().manual_seed(int(given["seed"]))
    train = _draw(int(given["train_examples"]), float(given["noise"]), generator)
    if not test:
        return DecodedDataset.without_test(*train, classes=CLASSES)
    return DecodedDataset(
        *train, *_draw(int(given["test_examples"]), float(given["noise"]), generator), classes=CLASSES
    )


def _draw(examples: int, noise: float, generator: Generator) -> tuple[Tensor, Tensor]:
    targets = torch.arange(examples) % CLASSES  # (examples,), all classes equally often
    orientation = targets[:, None, None] * (pi / CLASSES)
    # The phase is random, so that the mean image of every class is grey: no pixel says anything by itself.
    phase = 2 * pi * torch.rand(examples, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    along = x * orientation.cos() + y * orientation.sin()  # (examples, SIDE, SIDE)
    waves = torch.cos(2 * pi * along / 5 + phase)  # five pixels per period
    waves += noise * torch.randn(waves.shape, generator=generator)
    grey = (waves * 30 + 128).round().clamp(0, 255).byte()
    return grey[:, None], targets  # (examples, 1, SIDE, SIDE), (examples,)


@hookimpl
def benchsuite_datasets() -> dict[str, DatasetReader]:
    """Return the reader under the name that specs use."""
    return {"gratings": read_gratings}


@hookimpl
def benchsuite_specs() -> list[Path]:
    """Return the folder of this package's data set, track, claim and reference values."""
    return [Path(__file__).parent / "specs"]
