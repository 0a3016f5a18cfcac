"""Mutants whose traits, names or needs are not true."""

from __future__ import annotations

import torch

from benchsuite.credit import record_forward
from benchsuite.credit.batch import StepResult
from benchsuite.credit.work import CreditWork
from benchsuite.errors import IncompatibleError
from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from tests.conformance.kit.mutants.catching import After, caught_by, claiming

HIDDEN_CLAIM = RuleConformance.test_hidden_updates_are_backprop_exactly_where_declared
READOUT_CLAIM = RuleConformance.test_the_readout_update_is_backprop_exactly_where_declared
TAKEN_OVER = RuleConformance.test_reports_which_segments_it_took_over
REFUSES = RuleConformance.test_refuses_a_network_it_cannot_handle


@caught_by(HIDDEN_CLAIM, "the rule trains backprop here")
class BackpropUnderAnotherName(FeedbackAlignment):
    name = "not_backprop"

    def draw_feedback(self, linear_map, generator):
        return linear_map.weight.detach()


@caught_by(HIDDEN_CLAIM, "the rule trains backprop here")
class ForgetsItsFeedback(FeedbackAlignment):
    def assign_credit(self, batch):
        logits = self.network(batch.inputs)
        loss = batch.criterion(logits, batch.targets)
        loss.backward()
        return StepResult(loss.detach(), logits.detach())


@caught_by(HIDDEN_CLAIM, "dense1: cosine")
class PullsBackThroughAMirroredWeight(Backprop):
    """Says it is exact, but pulls back through a weight that is mirrored left to right."""

    def draw_feedback(self, linear_map, generator):
        return linear_map.weight.detach().flip(1)


@caught_by(READOUT_CLAIM, "not equal")
class HalvesTheOutputError(DirectFeedbackAlignment):
    def assign_credit(self, batch):
        tape = record_forward(self.network, batch)
        projected = tape.error @ self.feedback_weight
        credit = {name: projected[:, columns] for name, columns in self.columns.items()}
        tape.assign({**credit, self.network.readout: tape.error / 2})
        return StepResult(tape.loss, tape.logits)


@caught_by(READOUT_CLAIM, "readout_update_is_backprop=True")
class DeniesAnExactReadout(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, readout_update_is_backprop=False)


@caught_by(TAKEN_OVER, "dense1 is not, and its update differs")
class HidesWhatItTookOver(FeedbackAlignment):
    @property
    def taken_over(self):
        return ()


@caught_by(READOUT_CLAIM, "after 2 steps")
class DoublesTheReadoutsGradientLater(After):
    steps = 0

    def spoil(self, batch):
        self.steps += 1
        if self.steps > 1:
            self.network.maps[self.network.readout].weight.grad.mul_(2)


@caught_by(READOUT_CLAIM, "has another direction")
class DoublesTheReadoutsGradientAndSaysItIsNotBackprops(After):
    traits = claiming(FeedbackAlignment, readout_update_is_backprop=False)

    def spoil(self, batch):
        for parameter in self.network.segments[self.network.readout].parameters():
            parameter.grad.mul_(2)


@caught_by(TAKEN_OVER, "in forward order")
class NamesSegmentsBackwards(FeedbackAlignment):
    @property
    def taken_over(self):
        return tuple(reversed(super().taken_over))


@caught_by(TAKEN_OVER, "readout")
class ClaimsTheReadoutToo(FeedbackAlignment):
    @property
    def taken_over(self):
        return tuple(self.network.segments)


@caught_by(REFUSES, "accepted", need="form")
@caught_by(REFUSES, "accepted", need="topology")
@caught_by(REFUSES, "accepted", need="map_kind")
@caught_by(REFUSES, "accepted", need="min_hidden_segments")
class AcceptsAnything(DirectFeedbackAlignment):
    traits = claiming(DirectFeedbackAlignment, map_kinds=frozenset({"dense", "conv2d"}))

    def attach(self, network, generator):
        self.__dict__["network"] = network
        self.register_buffer("feedback_weight", torch.zeros(1))


@caught_by(RuleConformance.test_says_what_every_rule_must_say, "lower-case")
class HasABadName(FeedbackAlignment):
    name = "Feedback Alignment"


@caught_by(RuleConformance.test_says_what_every_rule_must_say, "trains_hidden=False")
class ClaimsWhatCannotBe(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, trains_hidden=False, hidden_update_is_backprop=True)


@caught_by(RuleConformance.test_some_sample_network_is_compatible, "dense: refuses_all: too small")
@caught_by(RuleConformance.test_learns_digits, "refuses_all: too small")
class RefusesAll(FeedbackAlignment):
    name = "refuses_all"

    def attach(self, network, generator):
        raise IncompatibleError(self.name, ["too small"])


@caught_by(RuleConformance.test_some_sample_network_is_compatible, "at least one network")
class FitsNowhere(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, forms=frozenset({"spiking"}))


@caught_by(RuleConformance.test_says_how_much_work_it_takes, "numbers from zero up")
class SavesWork(FeedbackAlignment):
    @classmethod
    def credit_work(cls, config, shapes):
        return CreditWork(per_example=-sum(segment.macs for segment in shapes.segments))


@caught_by(RuleConformance.test_learns_digits, "sign of the credit")
class GoesUphill(After):
    def spoil(self, batch):
        for parameter in self.network.parameters():
            parameter.grad.neg_()


@caught_by(RuleConformance.test_learns_digits, "test accuracy")
class CreditsTheNextExample(DirectFeedbackAlignment):
    def assign_credit(self, batch):
        tape = record_forward(self.network, batch)
        projected = (tape.error @ self.feedback_weight).roll(1, dims=0)
        tape.assign({name: projected[:, columns] for name, columns in self.columns.items()})
        return StepResult(tape.loss, tape.logits)
