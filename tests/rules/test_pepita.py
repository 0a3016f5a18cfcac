"""Oracle: algorithm 1 of the paper, written out with plain tensors in float64."""

from __future__ import annotations

import torch

from benchsuite_rules.pepita import Pepita

from .two_hidden import TWO_HIDDEN, assert_layers, batch_at, plain, started


def test_each_weight_changes_by_the_difference_of_the_passes_times_the_modulated_activity_before_it():
    """Catches a derivative of the nonlinearity, activity of the wrong pass, and an error that is divided by the batch
    before it modulates the input."""
    trial, batch = started(Pepita()), batch_at()
    n = len(batch.targets)
    seen = plain(trial, batch.inputs, batch.targets)
    inputs = batch.inputs + seen.error @ trial.rule.projection
    again = plain(trial, inputs, batch.targets)
    changes = [(seen.first - again.first) / n, (seen.second - again.second) / n, seen.error / n]
    before = [inputs, again.first, again.second]
    expected = [(change.T @ activity, change.sum(0)) for change, activity in zip(changes, before, strict=True)]
    assert_layers(trial.gradients(batch), expected)


def test_the_projection_is_uniform_within_the_papers_bound():
    """Catches a bound by classes instead of inputs, or a standard deviation in its place."""
    projection = started(Pepita(Pepita.Config(scale=0.5))).rule.projection
    bound = 0.5 * (6 / TWO_HIDDEN.input_shape[0]) ** 0.5
    assert projection.shape == (4, 20)
    assert 0.9 * bound < projection.abs().max() < bound
    assert abs(float(projection.std()) / (bound / 3**0.5) - 1) < 0.2


def test_the_reported_loss_is_of_the_pass_without_modulation():
    """Catches a training curve of the modulated inputs, which carry the label."""
    trial, batch = started(Pepita(Pepita.Config(scale=5.0))), batch_at()
    result = trial.compute_gradients(batch)
    seen = plain(trial, batch.inputs, batch.targets)
    torch.testing.assert_close(result.logits, seen.logits)
    torch.testing.assert_close(result.loss, torch.nn.functional.cross_entropy(seen.logits, batch.targets))
