"""Mutants that read values on the host, draw from streams that are not theirs, or keep state out of checkpoints."""

from __future__ import annotations

import numpy as np
import torch

from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from tests.conformance.kit.mutants.catching import After, caught_by

HOST_READS = RuleConformance.test_reads_no_value_on_the_host


@caught_by(HOST_READS, "item")
class ReadsTheLoss(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.last_loss = result.loss.item()
        return result


@caught_by(HOST_READS, "__bool__")
class BranchesOnAValue(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        if result.loss > 100:
            raise FloatingPointError
        return result


@caught_by(HOST_READS, "mask")
class IndexesWithAMask(FeedbackAlignment):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.wrong = result.logits[result.logits.argmax(1) != batch.targets]
        return result


@caught_by(HOST_READS, "numpy")
class GoesThroughNumPy(After):
    def spoil(self, batch):
        self.seen = self.network.maps["dense1"].weight.grad.numpy().max()


@caught_by(HOST_READS, "cpu")
class FetchesToTheCpu(After):
    def spoil(self, batch):
        self.seen = self.network.maps["dense1"].weight.grad.to("cpu")


SEEDS = RuleConformance.test_same_seeds_give_the_same_weights


@caught_by(SEEDS, "differs")
class DrawsFromTheGlobalStream(FeedbackAlignment):
    def draw_feedback(self, linear_map, generator):
        return torch.randn_like(linear_map.weight)


@caught_by(SEEDS, "differs")
class DrawsFromACopyOfTheGlobalStream(After):
    """It puts the stream back, so nothing around it changes."""

    def spoil(self, batch):
        with torch.random.fork_rng(devices=[]):
            for parameter in self.network.parameters():
                parameter.grad += 0.1 * torch.randn_like(parameter)


@caught_by(SEEDS, "differs")
class DrawsFromACopyOfNumPysStream(After):
    def spoil(self, batch):
        state = np.random.get_state()
        self.network.maps["dense1"].weight.grad *= float(np.random.random())
        np.random.set_state(state)


@caught_by(RuleConformance.test_the_feedback_seed_acts_through_saved_state_alone, "not the rule's state")
@caught_by(RuleConformance.test_a_resumed_run_ends_with_the_weights_of_one_never_stopped, "differs")
class KeepsFeedbackOutOfBuffers(DirectFeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        matrix = self.feedback_weight
        del self.feedback_weight
        self.__dict__["feedback_weight"] = matrix


@caught_by(RuleConformance.test_the_feedback_seed_acts_through_saved_state_alone, "no weight of the network")
class DrawsWhatItDoesNotUse(Backprop):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.register_buffer("unused", torch.randn(3, generator=generator))


@caught_by(RuleConformance.test_a_resumed_run_ends_with_the_weights_of_one_never_stopped, "differs")
class CountsStepsOutsideItsState(FeedbackAlignment):
    steps = 0

    def after_update(self):
        self.steps += 1
        for feedback_weight in self.feedback.by_segment.values():
            feedback_weight.mul_(1 - 0.1 / self.steps)


@caught_by(RuleConformance.test_a_resumed_run_ends_with_the_weights_of_one_never_stopped, "differs")
class GoesOnDrawingFromTheStream(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.generator = generator

    def after_update(self):
        for feedback_weight in self.feedback.by_segment.values():
            feedback_weight.add_(torch.randn(feedback_weight.shape, generator=self.generator))


@caught_by(RuleConformance.test_a_resumed_run_ends_with_the_weights_of_one_never_stopped, "loads into")
class RegistersStateInTheFirstStep(DirectFeedbackAlignment):
    def after_update(self):
        self.register_buffer("late", torch.ones(2))


@caught_by(RuleConformance.test_accumulates_nothing_between_steps, "second time")
class AddsToTheStepBefore(After):
    kept = 0.0

    def spoil(self, batch):
        gradient = self.network.maps["dense1"].weight.grad
        self.kept = self.kept + gradient.clone()
        gradient.copy_(self.kept)
