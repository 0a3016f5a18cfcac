"""Oracle: the paper's equations, written out with plain tensors in float64."""

from __future__ import annotations

import torch

from benchsuite_rules.direct_random_target_projection import DirectRandomTargetProjection

from .two_hidden import assert_layers, batch_at, plain, started


def test_hidden_layers_descend_minus_the_projected_label_and_the_readout_the_error():
    """Catches a row of another class, the error in the label's place, and a credit that is not divided by the batch."""
    trial, batch = started(DirectRandomTargetProjection()), batch_at()
    n, seen = len(batch.targets), plain(trial, batch.inputs, batch.targets)
    projected = -(torch.eye(4).double()[batch.targets] @ trial.rule.projection) / n
    to_first = projected[:, :16] * (seen.first > 0)
    to_second = projected[:, 16:] * (1 - seen.second**2)
    expected = [(to_first.T @ batch.inputs, to_first.sum(0)), (to_second.T @ seen.first, to_second.sum(0))]
    error = seen.error / n
    assert_layers(trial.gradients(batch), [*expected, (error.T @ seen.second, error.sum(0))])


def test_hidden_gradients_do_not_depend_on_the_output():
    """Catches a rule that waits for the error."""
    found = []
    for scale in (1.0, -5.0):
        trial = started(DirectRandomTargetProjection())
        with torch.no_grad():
            trial.network.maps["readout"].weight.mul_(scale)
        found.append(trial.gradients(batch_at()))
    for name in ("dense1", "dense2"):
        assert torch.equal(*(gradients[f"nodes.{name}.map.weight"] for gradients in found))
    assert not torch.equal(*(gradients["nodes.readout.map.weight"] for gradients in found))


def test_a_gain_of_the_batch_size_gives_the_authors_undivided_credit():
    """Catches a gain that acts before the bound's root, or on some segments only."""
    batch = batch_at()
    plain_rule = started(DirectRandomTargetProjection())
    scaled = started(DirectRandomTargetProjection(DirectRandomTargetProjection.Config(gain=len(batch.targets))))
    authors = -torch.eye(4).double()[batch.targets] @ plain_rule.rule.projection
    seen = plain(scaled, batch.inputs, batch.targets)
    expected = (authors[:, :16] * (seen.first > 0)).T @ batch.inputs
    torch.testing.assert_close(scaled.gradients(batch)["nodes.dense1.map.weight"], expected, rtol=1e-6, atol=1e-9)
