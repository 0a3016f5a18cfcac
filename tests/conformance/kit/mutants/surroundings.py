"""Mutants that change the network, the batch or the process around them."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from benchsuite.credit.parameters import LearnedFeedback
from benchsuite.networks.segments import Segment
from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from tests.conformance.kit.mutants.catching import After, caught_by, claiming

SURROUNDINGS = RuleConformance.test_changes_nothing_around_it


@caught_by(SURROUNDINGS, "value of nodes.dense1.map.weight")
class WritesWeights(After):
    def spoil(self, batch):
        with torch.no_grad():
            self.network.maps["dense1"].weight.clamp_(-0.01, 0.01)


@caught_by(SURROUNDINGS, "after_update changed value of nodes.dense1.map.weight")
class DecaysWithoutSayingSo(KolenPollack):
    traits = claiming(KolenPollack, changes_forward_weights=False)


@caught_by(SURROUNDINGS, "feedback_weight of dense2's map")
class LeavesAFeedbackWeightSet(After):
    def spoil(self, batch):
        self.network.maps["dense2"].feedback_weight = self.feedback.by_segment["dense2"]


@caught_by(SURROUNDINGS, "torch's global random stream")
class DrawsInAStep(After):
    def spoil(self, batch):
        torch.rand(1)


@caught_by(SURROUNDINGS, "Python's global random stream")
class DrawsFromPython(FeedbackAlignment):
    def after_update(self):
        random.random()  # noqa: S311 - the draw is the breakage


@caught_by(SURROUNDINGS, "requires_grad of nodes.dense1.map.bias")
class FreezesAParameter(After):
    def spoil(self, batch):
        self.network.maps["dense1"].bias.requires_grad_(False)


@caught_by(SURROUNDINGS, "the batch's inputs")
class ScalesTheBatch(After):
    def spoil(self, batch):
        batch.inputs.mul_(2)


@caught_by(SURROUNDINGS, "hooks on nodes.dense1")
class LeavesAHook(After):
    def spoil(self, batch):
        self.network.segments["dense1"].register_forward_hook(lambda module, inputs, output: None)


@caught_by(SURROUNDINGS, "training mode")
class SwitchesToEvaluation(After):
    def spoil(self, batch):
        self.network.eval()


@caught_by(SURROUNDINGS, "torch's global random stream")
@caught_by(SURROUNDINGS, "Python's global random stream")
@caught_by(SURROUNDINGS, "NumPy's global random stream")
class SeedsGlobalStreamsInEveryStep(FeedbackAlignment):
    """Leaves them as it found them from its second step on, whichever check made the first."""

    def assign_credit(self, batch):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        return super().assign_credit(batch)


@caught_by(SURROUNDINGS, "cuDNN flags")
class SetsFlagsToTheirDefaults(After):
    def spoil(self, batch):
        torch.backends.cudnn.benchmark = False


ATTACHES = RuleConformance.test_attach_changes_nothing_around_it


@caught_by(ATTACHES, "methods of the network (replaced)")
class ReplacesTheForwardPass(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        forward = network.forward
        network.forward = lambda inputs: forward(inputs).mul(1.0)


@caught_by(ATTACHES, "methods of nodes.dense1.map (replaced)")
class ReplacesAMapsMethod(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        linear_map = network.maps["dense1"]
        linear_map.apply_weight = linear_map.apply_weight


@caught_by(ATTACHES, "class of the network")
class GivesTheNetworkAnotherClass(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        network.__class__ = type("Other", (type(network),), {})


@caught_by(ATTACHES, "methods of the class Segment (replaced)")
class PatchesAClass(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        Segment.forward = (lambda forward: lambda self, inputs: forward(self, inputs))(Segment.forward)


@caught_by(ATTACHES, "value of nodes.dense1.map.weight")
class RedrawsWeights(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        nn.init.normal_(network.maps["dense1"].weight, generator=generator)


LEARNED = RuleConformance.test_feedback_weights_that_learn_are_the_rules_own_and_move


@caught_by(LEARNED, "one of shape (12, 16)")
class LearnsWhatNoCheckpointHolds(KolenPollack):
    @property
    def learned_feedback(self):
        return tuple(LearnedFeedback(learned.weight.clone()) for learned in super().learned_feedback)


@caught_by(LEARNED, "feedback.dense2 did not move")
class LeavesFeedbackWithoutGradient(FeedbackAlignment):
    @property
    def learned_feedback(self):
        return tuple(map(LearnedFeedback, self.feedback.by_segment.values()))


@caught_by(LEARNED, "has the rate 0")
class LearnsAtRateZero(KolenPollack):
    @property
    def learned_feedback(self):
        return tuple(LearnedFeedback(learned.weight, 0.0) for learned in super().learned_feedback)


@caught_by(ATTACHES, "is the network's")
class HoldsTheNetworkAsAPart(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.net = network


def _learn_from_a_look(rule):
    def look(module, inputs, output):
        if not torch.is_grad_enabled():
            rule.feedback.by_segment["dense2"].add_(output.mean())

    return look


@caught_by(RuleConformance.test_evaluation_neither_trains_nor_draws, "feedback.dense2 changed")
@caught_by(RuleConformance.test_evaluating_between_steps_does_not_change_training, "differs")
class TrainsWhenEvaluated(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        network.segments["dense1"].register_forward_hook(_learn_from_a_look(self))


@caught_by(RuleConformance.test_evaluation_neither_trains_nor_draws, "feedback stream changed")
class DrawsWheneverAsked(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.generator = generator

    def assign_credit(self, batch):
        torch.rand(1, generator=self.generator)
        return super().assign_credit(batch)


ONCE = RuleConformance.test_every_update_is_made_once
TWICE = RuleConformance.test_forward_weights_do_not_follow_the_gradient_twice


@caught_by(ONCE, "nodes.readout.map.weight moved otherwise")
class TrainsTheReadoutTwice(FeedbackAlignment):
    """The buffer is in its state, and moves; it is the readout's own weight under a second name."""

    traits = claiming(FeedbackAlignment, learns_feedback=True)

    def attach(self, network, generator):
        super().attach(network, generator)
        weight = network.maps[network.readout].weight
        self.register_buffer("second_name", weight.detach())

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.second_name.grad = self.network.maps[self.network.readout].weight.grad
        return result

    @property
    def learned_feedback(self):
        return (LearnedFeedback(self.second_name),)


@caught_by(TWICE, "moves by its gradient")
class TrainsTheReadoutAgainAfterwards(KolenPollack):
    def after_update(self):
        super().after_update()
        weight = self.network.maps[self.network.readout].weight
        weight.data -= 0.05 * weight.grad


STAGES = RuleConformance.test_segments_that_a_stage_leaves_out_keep_their_weights


@caught_by(STAGES, "nodes.readout.map.weight changed")
class ForgetsThatSegmentsMayNotLearn(Backprop):
    """Autograd leaves no gradient on a weight that does not learn; this rule makes one itself."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        for weight in self.network.parameters():
            weight.grad = torch.ones_like(weight) if weight.grad is None else weight.grad
        return result


@caught_by(STAGES, "nodes.readout.map.weight did not change")
class LearnsTheFirstSegmentsForEver(Backprop):
    """The learning segments are asked for when first not everything learns, and never again."""

    learning = None

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        weights = dict(self.network.named_parameters())
        now = {name for name, weight in weights.items() if weight.requires_grad}
        self.learning = self.learning or (now if len(now) < len(weights) else None)
        for name, weight in weights.items():
            weight.grad = weight.grad if self.learning is None or name in self.learning else None
        return result
