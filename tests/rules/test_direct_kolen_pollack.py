"""Oracle: the paper's equations, written out with plain tensors in float64."""

from __future__ import annotations

import torch

from benchsuite_rules.direct_kolen_pollack import DirectKolenPollack

from .two_hidden import assert_layers, batch_at, plain, started


def test_credit_is_the_projected_error_and_the_matrices_gradient_is_error_times_activity():
    """Catches a matrix that learns from its layer's input, or from activity after the layer that follows."""
    trial, batch = started(DirectKolenPollack()), batch_at()
    n, matrix = len(batch.targets), trial.rule.feedback_weight.clone()
    seen = plain(trial, batch.inputs, batch.targets)
    error = seen.error / n
    to_first = (error @ matrix[:, :16]) * (seen.first > 0)
    to_second = (error @ matrix[:, 16:]) * (1 - seen.second**2)
    expected = [(to_first.T @ batch.inputs, to_first.sum(0)), (to_second.T @ seen.first, to_second.sum(0))]
    assert_layers(trial.gradients(batch), [*expected, (error.T @ seen.second, error.sum(0))])
    of_matrix = torch.cat([error.T @ seen.first, error.T @ seen.second], dim=1)
    torch.testing.assert_close(trial.rule.feedback_weight.grad, of_matrix, rtol=1e-10, atol=1e-13)


def test_the_last_matrix_nears_the_readouts_weight_by_the_decay_alone():
    """Catches a decay of only one of the two, and another rate of the matrices: the difference then follows data."""
    trial = started(DirectKolenPollack(DirectKolenPollack.Config(decay=0.05)))

    def difference():
        return trial.network.maps["readout"].weight.detach() - trial.rule.feedback_weight[:, 16:]

    before = difference()
    trial.train(batch_at(position) for position in range(6))
    torch.testing.assert_close(difference(), 0.95**6 * before, rtol=1e-10, atol=1e-13)


def test_evaluation_leaves_the_matrices_without_a_gradient():
    """Catches diagnostics whose gradient the next step would add to the matrices."""
    trial = started(DirectKolenPollack())
    trial.rule.eval()
    trial.network.eval()
    trial.compute_gradients(batch_at())
    assert trial.rule.feedback_weight.grad is None
