"""Oracle: the angles the GEVB paper's authors stored for their networks before training (their notebook, five runs).

They depend on the data hardly at all: at initialization a unit's gate is a fair coin for any input.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "initial_angles.py"
script = SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def _measured(name, inputs, seeds):
    published = script.PUBLISHED[name]
    return np.mean([script.initial_angles_deg(published, inputs, seed) for seed in range(seeds)], axis=0)


# The readout's own weights set the last angle, and one network's scatters by a degree (the stored spread says so too).
@pytest.mark.parametrize("name", sorted(script.PUBLISHED))
def test_networks_start_at_the_stored_angles(name):
    """Would catch a pool's factor, a halved or doubled variance, unpaired gates, or a layer of another size."""
    published = script.PUBLISHED[name]
    found = _measured(name, script.random_images(published.input_shape, 4), seeds=3)
    np.testing.assert_allclose(found, published.stored_deg, atol=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(script.PUBLISHED))
def test_networks_start_at_the_stored_angles_on_the_papers_batch(name, mnist_root):
    """The same with 128 examples and five seeds; on MNIST's own first images where they are."""
    published = script.PUBLISHED[name]
    inputs = script.random_images(published.input_shape, 128)
    if mnist_root is not None and published.input_shape == script.MNIST:
        inputs = script.first_images(mnist_root, 128)
    np.testing.assert_allclose(_measured(name, inputs, seeds=5), published.stored_deg, atol=2)


def test_angles_do_not_depend_on_the_images():
    """Would catch a stand-in that is easier to match than data: constant, smooth and white images give one angle."""
    published = script.PUBLISHED["mnist-conv"]
    white = script.random_images(published.input_shape, 4)
    smooth = white.mean((2, 3), keepdim=True) + 0.1 * white.cumsum(2).cumsum(3) / 28
    np.testing.assert_allclose(_measured("mnist-conv", smooth, 2), _measured("mnist-conv", white, 2), atol=2)
