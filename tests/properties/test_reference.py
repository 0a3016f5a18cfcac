"""Oracle: central differences of the loss. They hold the NumPy reference itself, which all other files here lean on.

Silent failure caught: a wrong reference, against which a wrong implementation of the same mistake would pass.
"""

import numpy as np
import pytest

from .reference import (
    LOSSES,
    NONLINEARITIES,
    Geometry,
    Learned,
    Pooling,
    gradients_along_chain,
    gradients_from_credit,
    run_forward,
)


def _assert_slopes(loss, values, gradient, rng, step=1e-6):
    """Compare slopes along three random directions with the gradient's: a wrong entry shows in each of them.

    Entry by entry, each of the thousands of slopes would take two forward passes in NumPy.
    """
    kept = values.copy()
    for _ in range(3):
        direction = rng.choice([-1.0, 1.0], values.shape) * rng.uniform(0.5, 1.0, values.shape)
        values[...] = kept + step * direction
        above = loss()
        values[...] = kept - step * direction
        below = loss()
        values[...] = kept
        np.testing.assert_allclose((gradient * direction).sum(), (above - below) / (2 * step), atol=2e-7)


def _learned(name, rng, activation, shape, norm_order=None, geometry=None):
    gain, shift = (rng.normal(1, 0.2, shape[0]), rng.normal(0, 0.2, shape[0])) if norm_order else (None, None)
    return Learned(
        name, rng.normal(0, 0.6, shape), rng.normal(0, 0.3, shape[0]), activation, geometry, norm_order, gain, shift
    )


def _chains(rng, activation, norm_order):
    yield (
        (5, 3),
        [
            _learned("a", rng, activation, (4, 3), norm_order),
            _learned("b", rng, activation, (6, 4), norm_order),
            _learned("readout", rng, "identity", (3, 6)),
        ],
    )
    geometry = Geometry(stride=2, padding=1, dilation=2, groups=2)
    for kind in ("max_pool", "average_pool"):
        yield (
            (3, 2, 7, 8),
            [
                _learned("a", rng, activation, (4, 1, 2, 2), norm_order, geometry),
                Pooling(kind, 2, 1, 1),
                _learned("b", rng, activation, (3, 4, 3, 3), norm_order, Geometry()),
                _learned("readout", rng, "identity", (3, 3 * 3 * 3)),
            ],
        )


@pytest.mark.parametrize("loss_name", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("norm_order", [None, "norm_first", "activation_first"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_reference_gradients_are_the_slopes_of_the_loss(activation, norm_order, loss_name):
    """Would catch a forgotten 1/batch, a wrong norm derivative or a misplaced index in the reference."""
    rng = np.random.default_rng(3)
    for shape, layers in _chains(rng, activation, norm_order):
        x = rng.normal(0, 1, shape)
        targets = rng.integers(0, 3, shape[0])

        def loss(layers=layers, x=x, targets=targets):
            return LOSSES[loss_name](run_forward(layers, x).logits, targets)[0]

        trace = run_forward(layers, x)
        found = gradients_along_chain(trace, LOSSES[loss_name](trace.logits, targets)[1])
        for layer in layers:
            if isinstance(layer, Learned):
                own = found[layer.name]
                _assert_slopes(loss, layer.weight, own.weight, rng)
                _assert_slopes(loss, layer.bias, own.bias, rng)
                if layer.gain is not None:
                    _assert_slopes(loss, layer.gain, own.gain, rng)
                    _assert_slopes(loss, layer.shift, own.shift, rng)


@pytest.mark.parametrize("activation", sorted(NONLINEARITIES))
def test_reference_derivatives_are_slopes(activation):
    """Would catch a wrong derivative formula, which agrees with a wrong implementation by accident only."""
    function, derivative = NONLINEARITIES[activation]
    h = np.random.default_rng(0).normal(0, 2, (50, 4))
    np.testing.assert_allclose(derivative(h), (function(h + 1e-6) - function(h - 1e-6)) / 2e-6, atol=1e-8)


def test_reference_credit_equals_the_slope_of_its_inner_product():
    """Would catch a reference that puts credit before the nonlinearity: <credit, output> has no other derivative."""
    rng = np.random.default_rng(4)
    _, layers = next(_chains(rng, "tanh", None))
    x = rng.normal(0, 1, (5, 3))
    credit = rng.normal(0, 1, (5, 6))
    below = run_forward(layers, x).outputs["a"]
    found = gradients_from_credit(run_forward(layers, x), {"b": credit})["b"]
    weight = layers[1].weight

    def product():
        return (credit * np.tanh(below @ weight.T + layers[1].bias)).sum()

    _assert_slopes(product, weight, found.weight, rng)
