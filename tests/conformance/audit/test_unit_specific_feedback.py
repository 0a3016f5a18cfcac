"""Oracle: closed forms of ``specificity``, and rules written to feed back what they say they do not."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.conformance.audit.unit_specific_feedback import UNIT_SPECIFIC_FEEDBACK, observe, specificity
from benchsuite.credit import record_forward
from benchsuite.credit.batch import StepResult
from benchsuite.credit.rule import Rule
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting
from benchsuite_rules.node_perturbation import NodePerturbation

from .declared import SAMPLES, declaring, verdict


def _normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


def test_one_number_for_all_units_is_not_specific():
    fed_back = _normal(32, 1, 4, seed=0)
    assert specificity([fed_back.expand(-1, 12, -1)] * 4) == 0


def test_neither_is_one_that_a_units_gate_stops():
    gates = (_normal(32, 12, 1, seed=1) > 0).double()
    assert specificity([gates * _normal(32, 1, 4, seed=0)] * 4) == 0


def test_an_example_without_credit_says_nothing():
    fed_back = _normal(32, 1, 4, seed=0)
    fed_back[3] = 0
    assert specificity([fed_back.expand(-1, 12, -1)] * 4) == 0


def test_one_number_through_fixed_weights_is_specific():
    weights = _normal(12, 1, seed=2)
    assert specificity([weights * _normal(32, 1, 4, seed=0)] * 4) == pytest.approx(1, abs=1e-12)


def test_weights_that_differ_between_examples_are_specific_as_they_come_again():
    """Backprop in a vectorized network: a number a unit that depends on gates downstream, times the error."""
    of_examples = _normal(32, 12, 1, seed=3) * _normal(32, 1, 4, seed=0)
    assert specificity([of_examples] * 4) == pytest.approx(1, abs=1e-12)


def test_an_error_that_comes_in_two_patterns_is_specific():
    credit = _normal(32, 12, 2, seed=3) @ _normal(32, 2, 4, seed=0)
    assert specificity([credit] * 4) == 1
    faint = _normal(32, 12, 1, seed=3) @ _normal(32, 1, 4, seed=0) + 1e-3 * credit
    assert specificity([faint] * 4) == 1


@pytest.mark.parametrize("units", [8, 12, 100, 384])
def test_noise_of_its_own_is_not_specific_however_few_units_there_are(units):
    draws = [_normal(32, units, 1, seed=seed) * _normal(32, 1, 4, seed=0) for seed in range(4)]
    assert specificity(draws) < UNIT_SPECIFIC_FEEDBACK.threshold
    assert specificity(draws) > 0.3 / units


class BroadcastsTheLoss(Rule):
    """Every unit gets its example's loss: useless, and not specific."""

    name = "broadcasts_the_loss"
    traits = DirectFeedbackAlignment.traits.model_copy(update={"unit_specific_feedback": False})

    def weigh(self, shape):
        return torch.ones(shape[1:], dtype=torch.float64)

    def assign_credit(self, batch):
        tape = record_forward(self.network, batch)
        loss = batch.criterion.per_example(tape.logits, batch.targets)
        shapes = {name: tape.outputs[name].shape for name in self.network.hidden}
        tape.assign(
            {name: loss.view(-1, *[1] * (len(shape) - 1)) * self.weigh(shape) for name, shape in shapes.items()}
        )
        return StepResult(tape.loss, tape.logits)


class BroadcastsTheLossThroughWeights(BroadcastsTheLoss):
    def weigh(self, shape):
        return _normal(*shape[1:], seed=7)


class BroadcastsNearlyTheSame(BroadcastsTheLoss):
    def weigh(self, shape):
        return 1 + 1e-3 * _normal(*shape[1:], seed=7)


class AlwaysTheSameNoise(NodePerturbation):
    """Seeming noise is a fixed feedback weight for each unit of an example."""

    def draw_noise(self, shapes, like, generator, batch):
        return super().draw_noise(shapes, like, Generator().manual_seed(8), batch)


class WeighsTheErrorVector(GlobalErrorVectorBroadcasting):
    def assign_credit(self, batch):
        tape = record_forward(self.network, batch)
        units = {name: tape.outputs[name][:, 0] for name in self.network.hidden}
        tape.assign({n: _normal(*u.shape[1:], seed=9).abs().expand(u.shape) for n, u in units.items()})
        return StepResult(tape.loss, tape.logits)


SPECIFIC = [
    (BroadcastsTheLossThroughWeights, "conv"),
    (BroadcastsNearlyTheSame, "dense"),
    (AlwaysTheSameNoise, "dense"),
    (WeighsTheErrorVector, "vectorized-conv"),
    (declaring(DirectFeedbackAlignment, unit_specific_feedback=False), "dense"),
    (declaring(FeedbackAlignment, unit_specific_feedback=False), "batch-norm"),
    (declaring(FeedbackAlignment, unit_specific_feedback=False), "vectorized-dense"),
]


@pytest.mark.parametrize(("rule", "name"), SPECIFIC, ids=lambda value: getattr(value, "__name__", value))
def test_a_rule_that_tells_units_apart_is_caught(rule, name):
    assert verdict(UNIT_SPECIFIC_FEEDBACK, rule, name) == "contradicted"


@pytest.mark.parametrize("name", ["dense", "batch-norm", "conv", "dropout-no-bias"])
def test_a_rule_that_broadcasts_one_number_is_not(name):
    assert observe(BroadcastsTheLoss, SAMPLES[name]).value == 0


class FormsGradientsByHand(GlobalErrorVectorBroadcasting):
    def assign_credit(self, batch):
        observer, self.network.credit_observer = self.network.credit_observer, None
        try:
            return super().assign_credit(batch)
        finally:
            self.network.credit_observer = observer


def test_credit_that_nobody_sees_gives_no_verdict():
    audited = UNIT_SPECIFIC_FEEDBACK.audit(
        FormsGradientsByHand, FormsGradientsByHand.traits, [SAMPLES["vectorized-dense"]]
    )
    assert audited.verdict == "not_tested"
    assert "dense1, dense2 got gradients, but their credit was not seen" in audited.reason
