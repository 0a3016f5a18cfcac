"""Mutants whose feedback weights, gradients or report are wrong."""

from __future__ import annotations

import torch

from benchsuite.credit import ReplacedFeedbackRule
from benchsuite.credit.batch import StepResult
from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from tests.conformance.kit.mutants.catching import After, caught_by, claiming

LAYOUT = RuleConformance.test_feedback_weights_are_laid_out_like_the_weights_they_stand_for


@caught_by(LAYOUT, "dense2: (16, 12)")
class ShowsTransposedFeedback(FeedbackAlignment):
    @property
    def feedback_weights(self):
        return {name: weight.t() for name, weight in super().feedback_weights.items()}


@caught_by(LAYOUT, "'dense9' is not one of the segments")
class ShowsFeedbackOfNoSegment(FeedbackAlignment):
    @property
    def feedback_weights(self):
        return {**super().feedback_weights, "dense9": self.network.maps["dense2"].weight.detach()}


# --- gradients -------------------------------------------------------------------------------------------------------


SOUND_GRADIENT = RuleConformance.test_leaves_a_sound_gradient_on_every_parameter_it_trains


@caught_by(SOUND_GRADIENT, "dense1.map.bias has none", dtype=torch.float32)
class ForgetsABias(After):
    def spoil(self, batch):
        self.network.maps["dense1"].bias.grad = None


@caught_by(SOUND_GRADIENT, "not finite", dtype=torch.float32)
class LeavesNotANumber(After):
    def spoil(self, batch):
        self.network.maps["dense1"].weight.grad[0, 0] = torch.nan


@caught_by(SOUND_GRADIENT, "has none", dtype=torch.float32, sample="batch-norm")
class ForgetsTheNorm(After):
    def spoil(self, batch):
        for segment in self.network.segments.values():
            if segment.norm is not None:
                segment.norm.weight.grad = None


@caught_by(RuleConformance.test_leaves_no_gradient_on_parameters_it_does_not_train, "dense1.map.weight has a gradient")
class TrainsWhatItSaysItLeaves(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, trains_hidden=False)


@caught_by(RuleConformance.test_says_whether_its_feedback_learns, "feedback weights for the optimizer")
class LearnsFeedbackUnsaid(KolenPollack):
    traits = claiming(KolenPollack, learns_feedback=False)


@caught_by(RuleConformance.test_moves_what_it_trains_and_nothing_else, "dense1.map.weight did not move")
class GivesNoCredit(DirectFeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.feedback_weight.zero_()


@caught_by(RuleConformance.test_moves_what_it_trains_and_nothing_else, "dense1.map.weight moved")
class UpdatesPastTheOptimizer(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, trains_hidden=False)

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        for name in self.network.hidden:
            for parameter in self.network.segments[name].parameters():
                parameter.data -= 0.1 * parameter.grad
                parameter.grad = None
        return result


REPORT = RuleConformance.test_reports_the_loss_and_logits_of_its_forward_pass


@caught_by(REPORT, "requires grad", criterion="cross_entropy")
class KeepsTheGraph(ReplacedFeedbackRule):
    name = "keeps_the_graph"
    traits = Backprop.traits

    def assign_credit(self, batch):
        logits = self.network(batch.inputs)
        loss = batch.criterion(logits, batch.targets)
        loss.backward()
        return StepResult(loss, logits)


@caught_by(REPORT, "mean over the batch", criterion="squared_error")
class ReportsTheSum(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        return StepResult(result.loss * len(batch.targets), result.logits)


@caught_by(REPORT, "logits are the network's", criterion="cross_entropy")
class ReportsProbabilities(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        return StepResult(result.loss, result.logits.softmax(1))


@caught_by(RuleConformance.test_a_batch_twice_over_gives_the_same_gradient, "times as large")
class SumsOverTheBatch(After):
    def spoil(self, batch):
        for parameter in self.network.parameters():
            parameter.grad *= len(batch.targets)


@caught_by(RuleConformance.test_narrow_products_leave_wide_gradients_close_to_the_wide_ones, "cosine")
class TurnsRoundInNarrowTypes(After):
    def spoil(self, batch):
        if self.network.autocast_dtype is not None:
            for parameter in self.network.parameters():
                parameter.grad.neg_()


@caught_by(RuleConformance.test_narrow_products_leave_wide_gradients_close_to_the_wide_ones, "not finite")
class OverflowsInNarrowTypes(After):
    def spoil(self, batch):
        if self.network.autocast_dtype is not None:
            self.network.maps["dense1"].weight.grad.fill_(torch.inf)
