"""Oracles: the map itself, run forward; torch's own transposed convolution; matrices that are singular by construction.

What an inverse does to deviations is told apart from what it does to the forward activity: the first passes any test of
the second alone.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from benchsuite.errors import ShapeError
from benchsuite.networks.maps import Conv2d, Dense, LocallyConnected2d, Square
from benchsuite.networks.segments import Segment
from benchsuite.specs.models.architecture import Activation

from .chains import deterministic

TIGHT = {"rtol": 1e-9, "atol": 1e-9}


def _normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _orthogonal(linear_map, seed):
    linear_map.double()  # first: what is orthogonal in float32 is so to seven digits
    torch.nn.init.orthogonal_(linear_map.weight, generator=torch.Generator().manual_seed(seed))
    return linear_map


@st.composite
def square_convs(draw, orthogonal=True):
    """A convolution of as many channels as a patch has numbers, with inputs: overlaps, gaps, padding, dilation."""
    channels, kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, kernel - 1))
    extra = draw(st.integers(0, 1)) if kernel > 1 else 0
    reach = dilation * (kernel - 1) + 1
    height, width = draw(st.integers(reach, reach + 5)), draw(st.integers(reach, reach + 5))
    seed = draw(st.integers(0, 2**20))
    conv = Conv2d(channels, channels * kernel**2, kernel, stride, padding, dilation, extra_padding=extra)
    conv = _orthogonal(conv, seed)
    if not orthogonal:
        with torch.no_grad():
            conv.weight += 0.4 * _normal(*conv.weight.shape, seed=seed + 2) / len(conv.weight) ** 0.5
    return conv, _normal(draw(st.integers(1, 3)), channels, height, width, seed=seed + 1)


@deterministic
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**20))
def test_a_dense_map_is_undone(units, batch, seed):
    dense = Dense(units, units, bias=False).double()
    with torch.no_grad():
        dense.weight.copy_(_normal(units, units, seed=seed) + 2 * units**0.5 * torch.eye(units))
    inputs = _normal(batch, units, seed=seed + 1)
    undone = dense.factorize(dense.weight.detach()).solve(dense(inputs).detach(), torch.full_like(inputs, torch.nan))
    torch.testing.assert_close(undone, inputs, **TIGHT)


@deterministic
@given(square_convs(orthogonal=False))
def test_a_convolution_is_undone_with_overlaps_gaps_and_padding(drawn):
    """Would catch patches divided by their number at the edges only, and pixels that no patch covers set to zero; also
    a transpose in place of the inverse."""
    conv, inputs = drawn
    undone = conv.factorize(conv.weight.detach()).solve(conv.apply_weight(inputs, conv.weight).detach(), inputs)
    torch.testing.assert_close(undone, inputs, **TIGHT)


@deterministic
@given(square_convs())
def test_deviations_through_an_orthogonal_convolution_are_those_of_its_transpose(drawn):
    """Would catch division by the number of patches: it undoes activity as well, but shrinks deviations."""
    conv, inputs = drawn
    output = conv.apply_weight(inputs, conv.weight).detach()
    deviation = _normal(*output.shape, seed=5)
    moved = conv.factorize(conv.weight.detach()).solve(output + deviation, inputs)
    free = inputs.clone().requires_grad_()
    (transposed,) = torch.autograd.grad(
        F.conv2d(
            F.pad(free, (0, conv.extra_padding) * 2),
            conv.weight.detach(),
            stride=conv.geometry["stride"],
            padding=conv.geometry["padding"],
            dilation=conv.geometry["dilation"],
        ),
        free,
        deviation,
    )
    torch.testing.assert_close(moved - inputs, transposed, **TIGHT)


def test_pixels_between_patches_keep_their_forward_activity():
    conv = _orthogonal(Conv2d(1, 4, 2, stride=3), 0)
    inputs = _normal(1, 1, 5, 5)
    output = conv.apply_weight(inputs, conv.weight).detach()
    moved = conv.factorize(conv.weight.detach()).solve(output + 1, inputs)
    assert torch.equal(moved[0, 0, 2], inputs[0, 0, 2])
    assert torch.equal(moved[0, 0, :, 2], inputs[0, 0, :, 2])
    assert (moved[0, 0, :2, :2] != inputs[0, 0, :2, :2]).all()


@pytest.mark.parametrize("activation", ["identity", "leaky_relu", {"kind": "leaky_relu", "slope": 0.1}])
@pytest.mark.parametrize("is_conv", [False, True])
def test_a_segment_is_undone_with_its_bias_and_nonlinearity(activation, is_conv):
    linear_map = _orthogonal(Conv2d(2, 18, 3, padding=1) if is_conv else Dense(12, 12), 3)
    with torch.no_grad():
        linear_map.bias.copy_(_normal(len(linear_map.bias), seed=8))
    segment = Segment(linear_map, TypeAdapter(Activation).validate_python(activation), None, "norm_first")
    inputs = _normal(4, 2, 5, 5) if is_conv else _normal(4, 12)
    output = segment(inputs).detach()
    undone = segment.invert(output, linear_map.factorize(linear_map.weight.detach()), inputs)
    torch.testing.assert_close(undone, inputs.detach(), **TIGHT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("units", [1, 2, 40, 300])
def test_a_matrix_without_an_inverse_is_known_as_such(dtype, units):
    """Would catch a test for pivots of exactly zero: rounding leaves others."""
    matrix = _normal(units, units, dtype=dtype)
    assert not Square(matrix).singular
    rotation = torch.linalg.qr(_normal(units, units, seed=1)).Q.to(dtype)
    assert not Square(rotation).singular
    spectrum = torch.ones(units, dtype=torch.float64)
    spectrum[-1] = 0
    other = torch.linalg.qr(_normal(units, units, seed=3)).Q
    assert Square(((rotation.double() * spectrum) @ other).to(dtype)).singular
    assert Square(torch.zeros(units, units, dtype=dtype)).singular
    # Such as come of a dead unit, and of two that learned the same.
    if units > 1:
        assert Square(rotation.index_fill(0, torch.tensor([units // 2]), 0)).singular
        assert Square(rotation.index_copy(0, torch.tensor([0]), rotation[-1:])).singular


@deterministic
@given(st.integers(2, 12), st.integers(0, 2**20), st.sampled_from([torch.float32, torch.float64]))
def test_known_singular_is_what_has_a_singular_value_of_rounding(units, seed, dtype):
    """Against NumPy's, from a thousandth of the others down to nothing."""
    left, right = (torch.linalg.qr(_normal(units, units, seed=s)).Q for s in (seed, seed + 1))
    eps = torch.finfo(dtype).eps
    for least, is_lost in ((1e-3, False), (1e3 * eps, False), (0.1 * eps, True), (0.0, True)):
        spectrum = torch.ones(units, dtype=torch.float64)
        spectrum[seed % units] = least
        matrix = ((left * spectrum) @ right).to(dtype)
        assert bool(Square(matrix).singular) == is_lost
        assert not Square(1e10 * torch.eye(units, dtype=dtype)).singular


def _hartley(size, dtype):
    """An orthogonal matrix of any size without a factorization, its rows with signs at random."""
    angles = torch.arange(size).outer(torch.arange(size)).remainder_(size).double().mul_(2 * torch.pi / size)
    signs = torch.randint(2, (size, 1), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ((angles.cos() + angles.sin()) / size**0.5 * signs).to(dtype)


@pytest.mark.parametrize("units", [1024, pytest.param(9408, marks=pytest.mark.slow)])
def test_a_large_orthogonal_matrix_is_not_singular(units):
    """Would catch a bound on pivots: they spread with the size. At 9408 units, the readout of imagenet-gait-conv, the
    smallest is 1e-4 of the largest, and the bound that tells singular matrices of 300 units would be 1.1e-3."""
    assert not Square(_hartley(units, torch.float32)).singular


def test_what_is_not_a_number_is_not_called_singular():
    """A network that diverged is another finding than one that cannot be inverted."""
    for value in (torch.nan, torch.inf):
        assert not Square(torch.eye(3).index_fill(0, torch.tensor([1]), value)).singular


def test_maps_without_a_square_matrix_are_refused():
    cases = [
        Dense(3, 4),
        Conv2d(2, 8, 3),
        LocallyConnected2d(1, 4, 2, 4, 4),
        Conv2d(2, 18, 3, groups=2),
    ]
    for linear_map in cases:
        with pytest.raises(ShapeError, match="no inverse"):
            linear_map.factorize(linear_map.weight.detach())
