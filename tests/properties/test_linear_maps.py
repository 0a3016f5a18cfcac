"""Oracles: the bilinear form <c, map(x, W)>, autograd of torch's own layers, and the NumPy reference's loops.

A linear map is three operations of one bilinear form; each pins the others, whatever the map.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchsuite.networks.builder import MAP_KINDS
from benchsuite.networks.maps import Conv2d, Dense, LinearMap, LocallyConnected2d, replaced_feedback

from .chains import as_array, assert_near, conv_geometries, deterministic
from .reference import Geometry, convolution_weight_gradient, convolve, convolve_transposed


@dataclass(frozen=True)
class Form:
    """A map with arrays of fitting shapes, all normal."""

    linear_map: LinearMap
    inputs: Tensor
    cotangent: Tensor
    feedback_weight: Tensor
    peer: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    """The same map by torch's functional interface, named arguments spelt out here."""


def _form(linear_map, input_shape, batch, seed, peer) -> Form:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    linear_map = linear_map.double()
    with torch.no_grad():
        linear_map.weight.copy_(normal(*linear_map.weight.shape))
        if linear_map.bias is not None:
            linear_map.bias.copy_(normal(*linear_map.bias.shape))
        inputs = normal(batch, *input_shape)
        output = linear_map.apply_weight(inputs, linear_map.weight)
    return Form(linear_map, inputs, normal(*output.shape), normal(*linear_map.weight.shape), peer)


@st.composite
def dense_forms(draw):
    inputs, units, batch = draw(st.integers(1, 40)), draw(st.integers(1, 40)), draw(st.integers(1, 16))
    return _form(Dense(inputs, units, draw(st.booleans())), (inputs,), batch, draw(st.integers(0, 2**31)), F.linear)


@st.composite
def conv_forms(draw):
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    options = draw(conv_geometries(shape[1], shape[2], shape[0]))
    extra = draw(st.integers(0, 1))
    linear_map = Conv2d(shape[0], **options, bias=draw(st.booleans()), extra_padding=extra)

    def peer(x, weight, bias):
        return F.conv2d(
            F.pad(x, (0, extra, 0, extra)),
            weight,
            bias,
            stride=options["stride"],
            padding=options["padding"],
            dilation=options["dilation"],
            groups=options["groups"],
        )

    return _form(linear_map, shape, draw(st.integers(1, 5)), draw(st.integers(0, 2**31)), peer)


@st.composite
def local_forms(draw):
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    geometry = draw(conv_geometries(shape[1], shape[2], shape[0]))
    kernel, stride, padding = (geometry[k] for k in ("kernel", "stride", "padding"))
    linear_map = LocallyConnected2d(
        shape[0],
        draw(st.integers(1, 4)),
        kernel,
        *shape[1:],
        stride,
        padding,
        bias=draw(st.booleans()),
        extra_padding=(extra := draw(st.integers(0, 1))),
    )

    def peer(x, weight, bias):
        # Torch has no such layer; its unfold names the order of a patch, and autograd goes through it.
        patches = F.unfold(F.pad(x, (0, extra, 0, extra)), kernel, padding=padding, stride=stride)
        y = torch.einsum("bkp,pok->bop", patches, weight).unflatten(2, linear_map.output_size)
        return y if bias is None else y + bias

    return _form(linear_map, shape, draw(st.integers(1, 5)), draw(st.integers(0, 2**31)), peer)


FORMS = {"dense": dense_forms(), "conv2d": conv_forms(), "locally_connected2d": local_forms()}
forms = st.one_of(*FORMS.values())


def _inner(a, b):
    return (a * b).sum()


def test_every_map_kind_is_held_to_the_contract_here():
    """Would catch a new kind of map that no identity below has ever seen: add its strategy to FORMS."""
    assert set(MAP_KINDS) == set(FORMS)


@deterministic
@given(form=forms)
def test_pulling_back_is_the_adjoint_of_applying_under_any_weight(form):
    """Would catch B transposed, flipped or in another group order: <c, Bx> = <Bᵀc, x>."""
    for weight in (form.linear_map.weight.detach(), form.feedback_weight):
        forward = form.linear_map.apply_weight(form.inputs, weight)
        pulled = form.linear_map.pull_back(form.cotangent, weight, form.inputs.shape)
        assert pulled.shape == form.inputs.shape
        assert_near(_inner(pulled, form.inputs), _inner(form.cotangent, forward))


@deterministic
@given(form=forms)
def test_weight_gradient_is_the_derivative_of_the_inner_product(form):
    """Would catch a gradient that holds for one weight only: its slope along V is its value at V."""
    found = form.linear_map.weight_gradient(form.inputs, form.cotangent)
    along = form.feedback_weight
    slope = _inner(form.cotangent, form.linear_map.apply_weight(form.inputs, along))
    assert_near(_inner(found, along), slope)


@deterministic
@given(form=forms)
def test_the_map_is_linear_in_its_weight_and_adds_its_bias_once(form):
    """Would catch a hidden offset or scale, with which a feedback weight would not be a weight."""
    m, v = form.linear_map, form.feedback_weight
    with torch.no_grad():
        both = m.apply_weight(form.inputs, 2 * m.weight - 3 * v, m.bias)
        apart = 2 * m.apply_weight(form.inputs, m.weight) - 3 * m.apply_weight(form.inputs, v)
        if m.bias is not None:
            apart += m.bias.view(1, *m.bias.shape, *[1] * (apart.dim() - 1 - m.bias.dim()))
    assert_near(both, apart)


@deterministic
@given(form=forms)
def test_all_operations_are_autograds_of_torchs_own_layer(form):
    """Would catch any of the three drifting from the layer that everyone else trains."""
    m = form.linear_map
    x = form.inputs.clone().requires_grad_()
    weight = m.weight.detach().clone().requires_grad_()
    bias = None if m.bias is None else m.bias.detach().clone().requires_grad_()
    output = form.peer(x, weight, bias)
    output.backward(form.cotangent)
    assert_near(m.apply_weight(form.inputs, m.weight, m.bias), output)
    assert_near(m.pull_back(form.cotangent, m.weight.detach(), form.inputs.shape), x.grad)
    assert_near(m.weight_gradient(form.inputs, form.cotangent), weight.grad)
    if bias is not None:
        assert_near(m.bias_gradient(form.cotangent), bias.grad)


@deterministic
@given(form=conv_forms())
def test_convolution_is_the_loops_of_its_definition(form):
    """Would catch a convolution with a flipped kernel, or stride and dilation exchanged."""
    m = form.linear_map
    geometry, weight = Geometry(**m.geometry), as_array(m.weight)
    c, (height, width) = as_array(form.cotangent), form.inputs.shape[2:]
    x = np.pad(as_array(form.inputs), ((0, 0), (0, 0), (0, m.extra_padding), (0, m.extra_padding)))
    assert_near(m.apply_weight(form.inputs, m.weight), convolve(x, weight, geometry))
    foreign = as_array(form.feedback_weight)
    pulled = m.pull_back(form.cotangent, form.feedback_weight, form.inputs.shape)
    assert_near(pulled, convolve_transposed(c, foreign, geometry, x.shape)[:, :, :height, :width])
    gradient = convolution_weight_gradient(x, c, geometry, weight.shape)
    assert_near(m.weight_gradient(form.inputs, form.cotangent), gradient)


@deterministic
@given(form=local_forms())
def test_a_locally_connected_map_is_the_loops_of_its_definition(form):
    """Would catch positions walked column by column, or a patch whose channels run fastest."""
    m = form.linear_map
    x, c, foreign = as_array(form.inputs), as_array(form.cotangent), as_array(form.feedback_weight)
    rows, columns = m.output_size
    pad, k, s = m.padding, m.kernel, m.stride
    after = pad + m.extra_padding
    padded = np.pad(x, ((0, 0), (0, 0), (pad, after), (pad, after)))
    pulled, y = np.zeros_like(padded), np.zeros((len(x), foreign.shape[1], rows, columns))
    gradient = np.zeros(foreign.shape)
    for i in range(rows):
        for j in range(columns):
            here, p = np.s_[:, :, i * s : i * s + k, j * s : j * s + k], i * columns + j
            patch = padded[here].reshape(len(x), -1)
            y[:, :, i, j] = patch @ foreign[p].T
            gradient[p] = c[:, :, i, j].T @ patch
            pulled[here] += (c[:, :, i, j] @ foreign[p]).reshape(padded[here].shape)
    assert_near(m.apply_weight(form.inputs, form.feedback_weight), y)
    assert_near(m.weight_gradient(form.inputs, form.cotangent), gradient)
    inner = pulled[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    assert_near(m.pull_back(form.cotangent, form.feedback_weight, form.inputs.shape), inner)


@deterministic
@given(form=local_forms())
def test_autograd_through_a_locally_connected_map_is_its_own_backward(form):
    """Would catch the shortcut past autograd giving backprop another gradient than torch would."""
    m = form.linear_map
    x = form.inputs.clone().requires_grad_()
    m.zero_grad(set_to_none=True)
    m(x).backward(form.cotangent)
    own = [x.grad, *(p.grad for p in m.parameters())]
    y = m.apply_weight(x, m.weight, m.bias)
    exact = torch.autograd.grad(y, [x, *m.parameters()], form.cotangent)
    for found, expected in zip(own, exact, strict=True):
        assert_near(found, expected)


@deterministic
@given(form=forms, needs_input=st.booleans())
def test_the_fused_backward_equals_the_three_operations(form, needs_input):
    """Would catch a fused call that takes W's gradient from B, or skips the bias."""
    m = form.linear_map
    pulled, weight_gradient, bias_gradient = m.backward_through(
        form.inputs, form.cotangent, form.feedback_weight, needs_input
    )
    assert_near(weight_gradient, m.weight_gradient(form.inputs, form.cotangent))
    if needs_input:
        assert_near(pulled, m.pull_back(form.cotangent, form.feedback_weight, form.inputs.shape))
    else:
        assert pulled is None
    if m.bias is None:
        assert bias_gradient is None
    else:
        assert_near(bias_gradient, m.bias_gradient(form.cotangent))


@deterministic
@given(form=forms)
def test_forward_goes_through_the_weight_and_backward_through_the_feedback_weight(form):
    """Would catch feedback that changes the forward pass, or a weight gradient that depends on B."""
    m = form.linear_map
    x = form.inputs.clone().requires_grad_()
    plain = m(form.inputs)
    m.zero_grad(set_to_none=True)
    with replaced_feedback({"it": m}, {"it": form.feedback_weight}):
        output = m(x)
    output.backward(form.cotangent)
    assert_near(output, plain)
    assert_near(x.grad, m.pull_back(form.cotangent, form.feedback_weight, x.shape))
    assert_near(m.weight.grad, m.weight_gradient(form.inputs, form.cotangent))
    if m.bias is not None:
        assert_near(m.bias.grad, m.bias_gradient(form.cotangent))


@deterministic
@given(form=forms)
def test_fans_count_the_terms_of_the_sums(form):
    """Would catch an initialisation scaled by the wrong fan: counted here from what a lone one touches."""
    m = form.linear_map
    ones = torch.ones_like(m.weight)
    if isinstance(m, Dense):
        wide = torch.ones(1, m.weight.shape[1], dtype=torch.float64)
        assert m.fan_in == m.apply_weight(wide, ones).max()
        assert m.fan_out == m.pull_back(torch.ones(1, m.weight.shape[0], dtype=torch.float64), ones, wide.shape).max()
        return
    if isinstance(m, LocallyConnected2d):
        assert m.fan_in == m.weight[0, 0].numel()
        assert m.fan_out == m.weight.shape[1] * m.kernel**2
        return
    # Away from all edges: an image wide enough, stride one, so that every kernel position is seen.
    reach = 4 * m.geometry["dilation"] * m.weight.shape[-1]
    channels = m.weight.shape[1] * m.geometry["groups"]
    groups = m.geometry["groups"]
    image = torch.ones(1, channels, reach, reach, dtype=torch.float64)
    y = F.conv2d(image, ones, dilation=m.geometry["dilation"], groups=groups)
    pulled = F.conv_transpose2d(torch.ones_like(y), ones, dilation=m.geometry["dilation"], groups=groups)
    assert m.fan_in == y.max()
    assert m.fan_out == pulled.max()


@pytest.mark.parametrize("needs", [True, False])
def test_replaced_feedback_asks_for_no_cotangent_at_the_data(needs):
    """Would catch a wasted product at the first layer, or a crash where the input has no gradient."""
    m = Dense(3, 2).double()
    m.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=needs)
    with replaced_feedback({"it": m}, {"it": torch.ones(2, 3, dtype=torch.float64)}):
        m(x).sum().backward()
    np.testing.assert_allclose(m.weight.grad, np.full((2, 3), 4.0))
    if needs:
        np.testing.assert_allclose(x.grad, np.full((4, 3), 2.0))
