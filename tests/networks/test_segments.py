"""Oracle: the definition of a segment, its three parts applied by hand in their order."""

from typing import get_args

import pytest
import torch
from torch import nn

from benchsuite.networks.maps import Dense
from benchsuite.networks.nonlinearity import NONLINEARITIES
from benchsuite.networks.segments import Segment
from benchsuite.specs.models.activation import ActivationName

X = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 1.0]])


def _segment(norm_order="norm_first", norm=True, activation="relu"):
    dense = Dense(2, 2)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 0.5]]))
        dense.bias.copy_(torch.tensor([0.5, -0.5]))
    return Segment(dense, activation, nn.BatchNorm1d(2) if norm else None, norm_order)


def _standardized(values):
    return (values - values.mean(0)) / (values.var(0, unbiased=False) + 1e-5).sqrt()


# X Wᵀ + b, worked out by hand
PRE_ACTIVATION = torch.tensor([[3.5, 0.5], [-2.0, 2.0], [-1.5, -2.0]])


def test_a_segment_is_map_then_nonlinearity():
    """Would catch a nonlinearity before the map."""
    torch.testing.assert_close(_segment(norm=False)(X), PRE_ACTIVATION.clamp_min(0))


def test_norm_first_standardizes_the_maps_output():
    """Would catch the two orders exchanged: both train, at different accuracy."""
    torch.testing.assert_close(_segment("norm_first")(X).detach(), _standardized(PRE_ACTIVATION).clamp_min(0))


def test_activation_first_standardizes_the_nonlinearitys_output():
    """Would catch an output that is not centred though the spec says the norm comes last."""
    output = _segment("activation_first")(X).detach()
    torch.testing.assert_close(output, _standardized(PRE_ACTIVATION.clamp_min(0)))


def test_evaluation_uses_running_statistics():
    """Would catch a test error that depends on which examples share a batch."""
    segment = _segment()
    segment(X)
    segment.eval()
    together, alone = segment(X), torch.cat([segment(x[None]) for x in X])
    torch.testing.assert_close(together, alone)


def test_respond_takes_up_where_the_map_left_off():
    """Would catch target rules that compute a response by another path than the forward pass."""
    segment = _segment(norm=False, activation="tanh")
    torch.testing.assert_close(segment.respond(segment.map(X)), segment(X))


def test_every_activation_that_a_spec_can_name_exists():
    """Would catch a name accepted by the spec that fails when the network is built."""
    of_vector_units = {"vector_gate"}  # needs gating vectors; VectorSegment's own
    assert set(NONLINEARITIES) == set(get_args(ActivationName)) - of_vector_units


@pytest.mark.parametrize("activation", sorted(NONLINEARITIES))
def test_a_segments_input_is_never_written_to(activation):
    """Would catch an in-place nonlinearity that reaches through to the batch, resident on the device for all epochs."""
    x = X.clone()
    _segment(norm=False, activation=activation)(x)
    assert torch.equal(x, X)
