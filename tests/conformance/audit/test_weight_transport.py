"""Oracle: rules written to transport weights at one moment each, and rules known not to."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchsuite.conformance.audit.weight_transport import WEIGHT_TRANSPORT, observe
from benchsuite.credit import record_forward
from benchsuite.credit.batch import StepResult
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.node_perturbation import NodePerturbation
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback

from .declared import SAMPLES, BriefWeightMirror, declaring, verdict


def _copy_weights(rule):
    with torch.no_grad():
        for name, feedback_weight in rule.feedback.by_segment.items():
            feedback_weight.copy_(rule.network.maps[name].weight)


class StartsFromTheWeights(FeedbackAlignment):
    def draw_feedback(self, linear_map, generator):
        return linear_map.weight.detach().clone()


class CopiesBeforeTraining(FeedbackAlignment):
    def before_training(self):
        _copy_weights(self)


class CopiesAfterTheUpdate(FeedbackAlignment):
    def after_update(self):
        _copy_weights(self)


class CopiesEverySecondStep(FeedbackAlignment):
    steps = 0

    def after_update(self):
        self.steps += 1
        if self.steps % 2 == 0:
            _copy_weights(self)


class UsesOneWeight(FeedbackAlignment):
    """Random feedback everywhere but in the middle."""

    def draw_feedback(self, linear_map, generator):
        if linear_map is self.network.maps["dense2"]:
            return None
        return super().draw_feedback(linear_map, generator)


class HandsTheReadoutsWeightToATape(DirectFeedbackAlignment):
    def assign_credit(self, batch):
        tape = record_forward(self.network, batch)
        credit = tape.error @ self.feedback_weight
        pulled = tape.error @ self.network.maps[self.network.readout].weight.detach()
        names = self.network.hidden
        tape.assign({n: pulled if n == names[-1] else credit[:, self.columns[n]] for n in names})
        return StepResult(tape.loss, tape.logits)


class ScalesByTheWeightsSize(FeedbackAlignment):
    """No entry of the weight is copied, only how large it is."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        readout = self.network.maps[self.network.readout].weight.detach()
        for name in self.network.hidden:
            self.network.maps[name].weight.grad.mul_(readout.abs().mean())
        return result


TRANSPORTING = (
    StartsFromTheWeights,
    CopiesBeforeTraining,
    CopiesAfterTheUpdate,
    CopiesEverySecondStep,
    UsesOneWeight,
    HandsTheReadoutsWeightToATape,
    ScalesByTheWeightsSize,
    declaring(Backprop, weight_transport=False),
    declaring(SignSymmetry, weight_transport=False),
)


@pytest.mark.parametrize("rule", TRANSPORTING, ids=lambda rule: rule.__name__)
def test_a_rule_that_uses_downstream_weights_is_caught(rule):
    assert not rule.traits.weight_transport
    assert verdict(WEIGHT_TRANSPORT, rule, "dense") == "contradicted"


@pytest.mark.parametrize(
    ("rule", "moment"),
    [
        (Backprop, "assign_credit"),
        (CopiesAfterTheUpdate, "after_update"),
        (StartsFromTheWeights, "attach"),
        (CopiesBeforeTraining, "attach"),
    ],
)
def test_it_says_at_which_moment(rule, moment):
    assert observe(rule, SAMPLES["one-hidden"]).where == f"readout at {moment}"


class ForgetsByItsOwnWeight(FeedbackAlignment):
    """Each update has a decay by the weight itself, which is local."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        for linear_map in self.network.maps.values():
            linear_map.weight.grad.add_(linear_map.weight.detach(), alpha=0.1)
        return result


class SparseFeedback(UpdatedRandomFeedback):
    """Cuts forward weights in ``attach``; the cut is its own, and the same whatever the weights are."""

    def __init__(self, config=None):
        super().__init__(UpdatedRandomFeedback.Config(connectivity=0.5))


@pytest.mark.parametrize("rule", [ForgetsByItsOwnWeight, BriefWeightMirror, NodePerturbation, SparseFeedback])
@pytest.mark.parametrize("name", ["dense", "batch-norm", "residual"])
def test_what_reaches_a_rule_through_activity_is_no_transport(rule, name):
    """Catches an audit that blames a mirror for learning, a perturbation for looking, or a weight for its own decay."""
    assert observe(rule, SAMPLES[name]).value < 1e-12


class RunsForwardByItself(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        hidden, readout = (self.network.segments[name] for name in ("dense1", "readout"))
        logits = F.linear(hidden(batch.inputs), readout.map.weight, readout.map.bias).detach()
        return StepResult(result.loss, logits)


def test_a_forward_pass_that_cannot_be_held_gives_no_verdict():
    audited = WEIGHT_TRANSPORT.audit(RunsForwardByItself, RunsForwardByItself.traits, [SAMPLES["one-hidden"]])
    assert (audited.verdict, audited.shown) == ("not_tested", None)
    assert audited.reason.startswith("one-hidden: the logits change with a weight whose responses are held")
