"""Check that the rule keeps the contract (benchsuite's conformance kit) and follows its paper (arithmetic by hand)."""

import torch
from benchsuite_drtp import DirectRandomTargetProjection

from benchsuite.plugin import Batch
from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance, Trial


class TestDirectRandomTargetProjection(RuleConformance):
    rule = DirectRandomTargetProjection
    learning_floor = 0.83  # measured 0.86 to 0.90 over eight seeds


ONE_HIDDEN = next(sample for sample in SAMPLE_NETWORKS if sample.name == "one-hidden")


def test_hidden_gradient_is_minus_the_projected_target_through_the_derivative_of_tanh():
    trial = Trial.start(DirectRandomTargetProjection(), ONE_HIDDEN, dtype=torch.float64)
    batch = ONE_HIDDEN.batch(0, dtype=torch.float64)
    hidden = trial.network.maps["dense1"]
    output = torch.tanh(batch.inputs @ hidden.weight.T + hidden.bias)
    one_hot = torch.eye(4, dtype=torch.float64)[batch.targets]
    credit = -(one_hot @ trial.rule.projection) / len(one_hot)
    expected = ((1 - output**2) * credit).T @ batch.inputs
    gradients = trial.gradients(batch)
    torch.testing.assert_close(gradients["nodes.dense1.map.weight"], expected.detach(), rtol=1e-12, atol=1e-14)


def test_a_gain_of_the_batch_size_gives_the_authors_hidden_gradients_with_the_other_sign():
    """The README promises it; the authors' code has labels times the projection, undivided."""
    batch = ONE_HIDDEN.batch(0, dtype=torch.float64)
    size = len(batch.targets)
    rule = DirectRandomTargetProjection(DirectRandomTargetProjection.Config(gain=size))
    trial, plain = (
        Trial.start(each, ONE_HIDDEN, dtype=torch.float64) for each in (rule, DirectRandomTargetProjection())
    )
    hidden = trial.network.maps["dense1"]
    output = torch.tanh(batch.inputs @ hidden.weight.T + hidden.bias)
    authors = torch.eye(4, dtype=torch.float64)[batch.targets] @ plain.rule.projection  # (batch, units)
    expected = ((1 - output**2) * authors).T @ batch.inputs
    found = trial.gradients(batch)["nodes.dense1.map.weight"]
    torch.testing.assert_close(found, -expected.detach(), rtol=1e-6, atol=1e-9)


def test_hidden_gradient_does_not_depend_on_the_output():
    batch = ONE_HIDDEN.batch(0)
    gradients = []
    for scale in (1.0, -5.0):
        trial = Trial.start(DirectRandomTargetProjection(), ONE_HIDDEN)
        with torch.no_grad():
            trial.network.maps["readout"].weight.mul_(scale)
        gradients.append(trial.gradients(Batch(batch.inputs, batch.targets, batch.criterion)))
    assert torch.equal(gradients[0]["nodes.dense1.map.weight"], gradients[1]["nodes.dense1.map.weight"])
    assert not torch.equal(gradients[0]["nodes.readout.map.weight"], gradients[1]["nodes.readout.map.weight"])
