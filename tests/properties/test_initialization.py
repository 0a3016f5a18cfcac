"""Oracle: each scheme's formula as its paper states it, measured on large layers at a fixed seed."""

import math

import numpy as np
import pytest
import torch

from benchsuite.networks.initialization import initialize
from benchsuite.networks.maps import Conv2d, Dense, LocallyConnected2d
from benchsuite.specs.models.architecture import Initialization

from .chains import as_array, assert_near

# (standard deviation, distribution) for fan-in a and fan-out b
FORMULAS = {
    "torch_default": (lambda a, b: 1 / math.sqrt(3 * a), "uniform"),
    "he_normal": (lambda a, b: math.sqrt(2 / a), "normal"),
    "he_uniform": (lambda a, b: math.sqrt(2 / a), "uniform"),
    "xavier_normal": (lambda a, b: math.sqrt(2 / (a + b)), "normal"),
    "xavier_uniform": (lambda a, b: math.sqrt(2 / (a + b)), "uniform"),
    "lecun_normal": (lambda a, b: math.sqrt(1 / a), "normal"),
    "he_normal_fan_out": (lambda a, b: math.sqrt(2 / b), "normal"),
}
MAPS = {
    "dense": (lambda: Dense(400, 250), 400, 250),
    "conv": (lambda: Conv2d(32, 96, 5), 32 * 25, 96 * 25),
    "locally connected": (lambda: LocallyConnected2d(6, 24, 5, 9, 9), 6 * 25, 24 * 25),
    "grouped conv": (lambda: Conv2d(64, 128, 5, groups=2), 32 * 25, 64 * 25),
}


def _drawn(make, scheme, gain=1.0, seed=1):
    linear_map = make()
    with torch.no_grad():
        linear_map.bias.fill_(9.0)
        linear_map.weight.fill_(9.0)
    initialize(linear_map, Initialization(scheme=scheme, gain=gain), torch.Generator().manual_seed(seed))
    return linear_map


def test_every_scheme_is_measured_here():
    """Would catch a new scheme that nothing has checked."""
    schemes = set(Initialization.model_fields["scheme"].annotation.__args__)
    assert schemes == {*FORMULAS, "orthogonal", "zeros"}


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("map_name", sorted(MAPS))
@pytest.mark.parametrize("scheme", sorted(FORMULAS))
def test_weights_have_the_published_spread(scheme, map_name, gain):
    """Would catch fan-in for fan-out, a variance for a deviation, or a gain left out: all still train."""
    make, fan_in, fan_out = MAPS[map_name]
    weight = as_array(_drawn(make, scheme, gain).weight)
    formula, distribution = FORMULAS[scheme]
    sd = gain * formula(fan_in, fan_out)
    assert weight.std() == pytest.approx(sd, rel=0.015)
    assert abs(weight.mean()) < 0.02 * sd
    largest = np.abs(weight).max() / sd
    if distribution == "uniform":
        assert 0.999 * math.sqrt(3) < largest < math.sqrt(3) * (1 + 1e-6)
    else:
        assert largest > 3.5


@pytest.mark.parametrize("scheme", sorted({*FORMULAS, "orthogonal", "zeros"} - {"torch_default"}))
def test_biases_start_at_zero(scheme):
    """Would catch biases drawn with the weights, or left as they were."""
    assert not _drawn(lambda: Dense(20, 30), scheme).bias.any()


@pytest.mark.parametrize("scheme", sorted(FORMULAS))
def test_biases_drawn_as_weights_have_the_weights_spread(scheme):
    """Would catch biases left at zero, equal to the weights' first numbers, or drawn by a fan of their own."""
    linear_map = Dense(400, 5000)
    how = Initialization(scheme=scheme, gain=0.5, bias="as_weight")
    initialize(linear_map, how, torch.Generator().manual_seed(1))
    sd = 0.5 * FORMULAS[scheme][0](400, 5000)
    bias, weight = as_array(linear_map.bias), as_array(linear_map.weight)
    assert bias.std() == pytest.approx(sd, rel=0.05)
    assert abs(bias.mean()) < 0.1 * sd
    assert not np.array_equal(bias[:400], weight[0])
    plain = Dense(400, 5000)
    initialize(plain, Initialization(scheme=scheme, gain=0.5), torch.Generator().manual_seed(1))
    assert torch.equal(plain.weight, linear_map.weight)


def test_the_mirror_papers_start_is_expressible():
    """Would catch a deviation for a variance: the authors' code draws W and b from N(0, 1/(n_in + n_out))."""
    linear_map = Dense(784, 500)
    how = Initialization(scheme="xavier_normal", gain=math.sqrt(0.5), bias="as_weight")
    initialize(linear_map, how, torch.Generator().manual_seed(1))
    assert as_array(linear_map.weight).std() == pytest.approx((784 + 500) ** -0.5, rel=0.01)
    assert as_array(linear_map.bias).std() == pytest.approx((784 + 500) ** -0.5, rel=0.1)


def test_biases_have_no_orthogonal_draw():
    """Would catch torch's own error from deep inside a run."""
    with pytest.raises(ValueError, match="draws matrices only"):
        Initialization(scheme="orthogonal", bias="as_weight")


def test_torchs_default_draws_biases_by_the_fan_in():
    """Would catch zero biases where torch.nn's are not, or a bound by the fan-out."""
    bias = as_array(_drawn(lambda: Dense(100, 5000), "torch_default").bias)
    assert np.abs(bias).max() == pytest.approx(0.1, rel=0.01)
    assert bias.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize(("inputs", "units"), [(60, 40), (40, 60), (50, 50)])
def test_orthogonal_weights_are_orthogonal_times_the_gain(inputs, units):
    """Would catch an approximately orthogonal draw, or the gain squared."""
    weight = as_array(_drawn(lambda: Dense(inputs, units), "orthogonal", gain=1.5).weight)
    product = weight @ weight.T if units <= inputs else weight.T @ weight
    np.testing.assert_allclose(product, 2.25 * np.eye(min(inputs, units)), atol=1e-5)


def test_orthogonal_kernels_are_orthogonal_as_flat_rows():
    """Would catch orthogonality along a kernel's axis instead of over a unit's whole input."""
    weight = as_array(_drawn(lambda: Conv2d(4, 8, 3), "orthogonal").weight).reshape(8, -1)
    np.testing.assert_allclose(weight @ weight.T, np.eye(8), atol=1e-5)


def test_orthogonal_filters_are_orthogonal_at_every_position():
    """Would catch all positions taken for one wide matrix, whose blocks are orthogonal to nothing."""
    weight = as_array(_drawn(lambda: LocallyConnected2d(4, 8, 3, 5, 6), "orthogonal").weight)
    np.testing.assert_allclose(weight @ weight.swapaxes(1, 2), np.broadcast_to(np.eye(8), (12, 8, 8)), atol=1e-5)


def test_positions_start_from_filters_of_their_own():
    """Would catch one filter at every position where nobody asked: the URFB code's confound (its Fig. 8)."""
    weight = as_array(_drawn(lambda: LocallyConnected2d(8, 32, 3, 6, 6), "he_normal").weight)
    flat = weight.reshape(len(weight), -1)
    correlations = np.corrcoef(flat)[np.triu_indices(len(flat), 1)]
    assert np.abs(correlations).max() < 0.1


@pytest.mark.parametrize("scheme", sorted({*FORMULAS, "orthogonal", "zeros"}))
def test_a_replicated_map_starts_as_the_convolution_of_the_same_stream(scheme):
    """Would catch a patch in another order than a kernel: tied and untied networks would start from different maps."""
    local = _drawn(lambda: LocallyConnected2d(3, 6, 3, 8, 7, stride=2, padding=1, replicated=True), scheme)
    conv = _drawn(lambda: Conv2d(3, 6, 3, stride=2, padding=1), scheme)
    x = torch.randn(4, 3, 8, 7, generator=torch.Generator().manual_seed(2))
    assert_near(local(x), as_array(conv(x)), torch.float32)


def test_zeros_are_zeros():
    """Would catch a scheme falling through to what was there before."""
    assert not _drawn(lambda: Dense(3, 4), "zeros").weight.any()


@pytest.mark.parametrize("scheme", sorted({*FORMULAS, "orthogonal"}))
def test_weights_depend_on_the_given_stream_alone(scheme):
    """Would catch a draw from the global stream: rules at one seed index would not share their network."""
    make = MAPS["dense"][0]
    before = torch.get_rng_state()
    first = _drawn(make, scheme)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, other = _drawn(make, scheme), _drawn(make, scheme, seed=2)
    assert torch.equal(first.weight, again.weight)
    assert torch.equal(first.bias, again.bias)
    assert not torch.equal(first.weight, other.weight)


def test_a_map_without_bias_draws_the_weight_of_one_with():
    """Would catch the bias drawn before the weight: switching it off would change the network's weights."""
    for scheme in FORMULAS:
        with_bias = _drawn(lambda: Dense(9, 8), scheme)
        without = Dense(9, 8, bias=False)
        initialize(without, Initialization(scheme=scheme), torch.Generator().manual_seed(1))
        assert_near(without.weight, as_array(with_bias.weight))
