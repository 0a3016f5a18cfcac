"""Check that the rule keeps the contract (benchsuite's conformance kit) and follows its paper (arithmetic by hand)."""

import torch
from benchsuite_error_sign import ErrorSignFeedback

from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance, Trial


class TestErrorSignFeedback(RuleConformance):
    rule = ErrorSignFeedback


ONE_HIDDEN = next(sample for sample in SAMPLE_NETWORKS if sample.name == "one-hidden")


def test_hidden_gradient_is_the_projected_sign_through_the_derivative_of_tanh():
    trial = Trial.start(ErrorSignFeedback(), ONE_HIDDEN, dtype=torch.float64)
    batch = ONE_HIDDEN.batch(0, dtype=torch.float64)
    hidden, readout = trial.network.maps["dense1"], trial.network.maps["readout"]
    output = torch.tanh(batch.inputs @ hidden.weight.T + hidden.bias)
    probabilities = (output @ readout.weight.T + readout.bias).softmax(1)
    error = probabilities - torch.eye(4, dtype=torch.float64)[batch.targets]
    credit = error.sign() @ trial.rule.feedback_weight / len(error)
    expected = ((1 - output**2) * credit).T @ batch.inputs
    gradients = trial.gradients(batch)
    torch.testing.assert_close(gradients["nodes.dense1.map.weight"], expected.detach(), rtol=1e-12, atol=1e-14)


def test_hidden_gradient_does_not_depend_on_the_size_of_the_error():
    """With cross-entropy the sign is known from the label: the readout may be anything."""
    gradients = []
    for scale in (1.0, 0.1):
        trial = Trial.start(ErrorSignFeedback(), ONE_HIDDEN)
        with torch.no_grad():
            trial.network.maps["readout"].weight.mul_(scale)
        gradients.append(trial.gradients(ONE_HIDDEN.batch(0)))
    assert torch.equal(gradients[0]["nodes.dense1.map.weight"], gradients[1]["nodes.dense1.map.weight"])
    assert not torch.equal(gradients[0]["nodes.readout.map.weight"], gradients[1]["nodes.readout.map.weight"])
