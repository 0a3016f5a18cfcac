"""Oracle: the products of the paper's formulas, written out with plain tensors in float64."""

from __future__ import annotations

import pytest
import torch

from benchsuite.conformance.samples import SAMPLE_NETWORKS, Trial
from benchsuite.credit import record_forward
from benchsuite.errors import ShapeError
from benchsuite_rules.readout_only import ReadoutOnly

DENSE = next(
    s
    for s in SAMPLE_NETWORKS
    if len(s.shapes.segments) > 2 and {each.map_kind for each in s.shapes.segments} == {"dense"}
)
VECTORIZED = next(s for s in SAMPLE_NETWORKS if s.shapes.form == "vectorized")


def test_credit_at_the_pre_activation_is_multiplied_with_the_input_as_it_is():
    """Catches the nonlinearity's derivative where a rule has none, such as PEPITA's."""
    trial = Trial.start(ReadoutOnly(), DENSE, dtype=torch.float64)
    batch = DENSE.batch(0, dtype=torch.float64)
    tape = record_forward(trial.network, batch, keep_pre_activations=True)
    name = trial.network.hidden[0]
    credit = torch.randn_like(tape.outputs[name])
    tape.assign({name: credit}, at="pre_activation")
    linear_map = trial.network.maps[name]
    torch.testing.assert_close(linear_map.weight.grad, credit.t() @ tape.inputs[name])
    assert trial.network.maps[trial.network.readout].weight.grad is not None


def test_pre_activations_are_kept_as_the_maps_gave_them_although_nonlinearities_work_in_place():
    trial = Trial.start(ReadoutOnly(), DENSE, dtype=torch.float64)
    batch = DENSE.batch(0, dtype=torch.float64)
    tape = record_forward(trial.network, batch, keep_pre_activations=True)
    for name, values in tape.pre_activations.items():
        torch.testing.assert_close(values, trial.network.maps[name](tape.inputs[name]).detach())
        torch.testing.assert_close(trial.network.segments[name].respond(values), tape.outputs[name].detach())
    assert list(tape.pre_activations) == list(tape.outputs)
    assert record_forward(trial.network, batch).pre_activations == {}


@pytest.mark.parametrize("sample", [DENSE, VECTORIZED], ids=lambda sample: sample.name)
def test_the_readout_can_be_left_out(sample):
    """Catches a readout that learns under a rule which says that it does not."""
    trial = Trial.start(ReadoutOnly(), sample, dtype=torch.float64)
    record_forward(trial.network, sample.batch(0, dtype=torch.float64)).assign({}, readout=False)
    assert [name for name, weight in trial.network.named_parameters() if weight.grad is not None] == []


def test_vector_units_refuse_credit_before_their_gate():
    trial = Trial.start(ReadoutOnly(), VECTORIZED, dtype=torch.float64)
    tape = record_forward(trial.network, VECTORIZED.batch(0, dtype=torch.float64))
    with pytest.raises(ShapeError, match="at the output of a segment only"):
        tape.assign({}, at="pre_activation")
