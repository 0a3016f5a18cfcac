"""Oracle: central differences of the loss. They hold the reference of vectorized networks itself.

Silent failure caught: a wrong reference, against which a wrong implementation of the same mistake would pass.
"""

import numpy as np
from hypothesis import given, settings

from .chains import deterministic
from .gevb_reference import (
    VectorLayer,
    cross_entropy_at,
    exact_cotangents,
    expand,
    gradients_of_cotangents,
    run_vector_forward,
)
from .vector_chains import vector_cases, vector_counterpart


def test_the_expanded_input_has_each_component_once():
    """Would catch shares in another order than the weights' columns: component mu of unit mu·n0 + j is x_j."""
    x = np.arange(6.0).reshape(1, 3, 2) + 1
    expanded = expand(x, 2)
    assert expanded.shape == (1, 2, 6, 2)
    np.testing.assert_array_equal(expanded[0, 0], np.concatenate([x[0], 0 * x[0]]))
    np.testing.assert_array_equal(expanded[0, 1], np.concatenate([0 * x[0], x[0]]))


@settings(deterministic, max_examples=15)
@given(case=vector_cases)
def test_reference_gradients_are_the_slopes_of_the_loss(case):
    """Would catch a forgotten gate, a pool's share, a shortcut that is not followed, or a misplaced component."""
    nodes = vector_counterpart(case, case.network())
    batch, codes = case.data(), case.codes()
    x, targets = batch.inputs.numpy(), batch.targets.numpy()
    rng = np.random.default_rng(case.seed)

    def run():
        return run_vector_forward(nodes, x, case.shapes.components)

    def loss():
        return cross_entropy_at(run().output @ codes.T, targets)[0]

    trace = run()
    error = cross_entropy_at(trace.output @ codes.T, targets)[1] @ codes
    found = gradients_of_cotangents(trace, exact_cotangents(trace, error))
    projections = [
        np.abs(np.einsum("im,bmip->bip", node.gating, trace.pre_activations[node.name]))
        for node in nodes
        if isinstance(node, VectorLayer) and node.gating is not None
    ]
    # A unit without a bias that sees padding alone stays at zero whatever its weights: its gate cannot turn.
    margin = min((values[values > 0].min(initial=1.0) for values in projections), default=1.0)
    step = min(1e-5, 1e-3 * margin)  # no gate may turn
    for node in nodes:
        if isinstance(node, VectorLayer):
            gradient = found[node.name]
            learned = [(node.weights, gradient.weights), *([(node.bias, gradient.bias)] if case.bias else [])]
            for values, slopes in learned:
                direction = rng.normal(0, 1, values.shape) / values.size**0.5
                kept = values.copy()
                values += step * direction
                above = loss()
                values += -2 * step * direction
                below = loss()
                values[...] = kept
                expected = (slopes * direction).sum()
                assert abs((above - below) / (2 * step) - expected) < 1e-6 + 1e-11 / step
