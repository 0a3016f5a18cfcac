"""The conformance kit catches broken rules. The oracle is the breakage: each mutant breaks one clause of the contract.

A mutant that its check lets through means that the check cannot fail. Two more tests say that the sound originals pass
the same checks and that every check of the kit has a mutant here.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchsuite.conformance.kit.cases import NOT_APPLICABLE
from benchsuite.credit import RandomStream, ReplacedFeedbackRule, record_forward
from benchsuite.credit.batch import StepResult
from benchsuite.credit.parameters import LearnedFeedback, ParameterGroup
from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits
from benchsuite.credit.work import CreditWork
from benchsuite.errors import IncompatibleError
from benchsuite.networks.segments import Segment
from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack

SAMPLES = {sample.name: sample for sample in SAMPLE_NETWORKS}


@dataclass(frozen=True)
class Mutant:
    """A broken rule, the check meant for it, and what the check's message must mention."""

    rule: type[Rule]
    check: str
    says: str
    arguments: dict[str, Any]


MUTANTS: list[Mutant] = []


def caught_by(check: Callable[..., None], says: str, **arguments: Any) -> Callable[[type[Rule]], type[Rule]]:
    """Enter a mutant together with the check that must catch it, on the sample ``dense`` where it takes one."""
    if "sample" in inspect.signature(check).parameters:
        arguments["sample"] = SAMPLES[arguments.get("sample", "dense")]

    def enter(rule: type[Rule]) -> type[Rule]:
        MUTANTS.append(Mutant(rule, check.__name__, says, arguments))
        return rule

    return enter


def _claiming(rule: type[Rule], **claims: Any) -> RuleTraits:
    return rule.traits.model_copy(update=claims)


class After(FeedbackAlignment):
    """Feedback alignment with something done after a sound ``assign_credit``."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.spoil(batch)
        return result

    def spoil(self, batch):
        """Do the damage; every mutant below says which, so this one is never reached."""
        raise NotImplementedError


# --- feedback weights -------------------------------------------------------------------------------------------------


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
    traits = _claiming(FeedbackAlignment, trains_hidden=False)


@caught_by(RuleConformance.test_says_whether_its_feedback_learns, "feedback weights for the optimizer")
class LearnsFeedbackUnsaid(KolenPollack):
    traits = _claiming(KolenPollack, learns_feedback=False)


@caught_by(RuleConformance.test_moves_what_it_trains_and_nothing_else, "dense1.map.weight did not move")
class GivesNoCredit(DirectFeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.feedback_weight.zero_()


@caught_by(RuleConformance.test_moves_what_it_trains_and_nothing_else, "dense1.map.weight moved")
class UpdatesPastTheOptimizer(FeedbackAlignment):
    traits = _claiming(FeedbackAlignment, trains_hidden=False)

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


def test_a_rule_that_refuses_bfloat16_is_not_asked_for_close_updates_there() -> None:
    """Catches a false alarm on a rule that has said so: the generated energy rule's cosine was 0.897 in one network."""
    traits = _claiming(TurnsRoundInNarrowTypes, min_precision="tf32")
    rule = type("Refuses", (TurnsRoundInNarrowTypes,), {"traits": traits})
    suite = type("Suite", (RuleConformance,), {"rule": rule})
    suite().test_narrow_products_leave_wide_gradients_close_to_the_wide_ones(SAMPLES["dense"])


@caught_by(RuleConformance.test_narrow_products_leave_wide_gradients_close_to_the_wide_ones, "not finite")
class OverflowsInNarrowTypes(After):
    def spoil(self, batch):
        if self.network.autocast_dtype is not None:
            self.network.maps["dense1"].weight.grad.fill_(torch.inf)


# --- host ------------------------------------------------------------------------------------------------------------

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


# --- seeds and state -------------------------------------------------------------------------------------------------


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


# --- what is around it -----------------------------------------------------------------------------------------------

SURROUNDINGS = RuleConformance.test_changes_nothing_around_it


@caught_by(SURROUNDINGS, "value of nodes.dense1.map.weight")
class WritesWeights(After):
    def spoil(self, batch):
        with torch.no_grad():
            self.network.maps["dense1"].weight.clamp_(-0.01, 0.01)


@caught_by(SURROUNDINGS, "after_update changed value of nodes.dense1.map.weight")
class DecaysWithoutSayingSo(KolenPollack):
    traits = _claiming(KolenPollack, changes_forward_weights=False)


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

    traits = _claiming(FeedbackAlignment, learns_feedback=True)

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


# --- what it takes ---------------------------------------------------------------------------------------------------

WORK = RuleConformance.test_takes_the_work_that_it_says
CAPTURE = RuleConformance.test_its_step_can_be_captured


@caught_by(CAPTURE, "makes a tensor from Python numbers")
class MakesATensorFromAPythonNumber(Backprop):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        result.logits * torch.tensor(1.0)
        return result


@caught_by(CAPTURE, "has a shape that depends on values")
class CountsExamplesByTheirValues(Backprop):
    def assign_credit(self, batch):
        torch.nonzero(batch.inputs)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "reads a tensor's value on the host")
class BranchesOnALoss(Backprop):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        result.loss.item()
        return result


@caught_by(CAPTURE, "draws from torch's global stream")
class DrawsFromTheGlobalStreamInEachStep(Backprop):
    def assign_credit(self, batch):
        torch.rand(3)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "neither the network's dropout nor a RandomStream")
class DrawsFromAGeneratorOfItsOwn(Backprop):
    def assign_credit(self, batch):
        self._own = getattr(self, "_own", None) or torch.Generator().manual_seed(0)
        torch.rand(3, generator=self._own)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "has a shape that depends on values")
class TakesWhatAMaskSays(Backprop):
    def assign_credit(self, batch):
        batch.inputs[batch.inputs > 0]
        return super().assign_credit(batch)


@caught_by(CAPTURE, "has been replaced since")
class ReplacesItsRunningAverage(Backprop):
    """Replayed, it would read the average of the step that was captured, for ever."""

    average: Any = None

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.average = result.loss if self.average is None else 0.9 * self.average + 0.1 * result.loss
        return result


GROWTH = RuleConformance.test_keeps_no_more_from_step_to_step


@caught_by(WORK, "planned are")
class PlansTwiceItsWork(FeedbackAlignment):
    @classmethod
    def credit_work(cls, config, shapes):
        own = super().credit_work(config, shapes).per_example
        return CreditWork(per_example=own + 2 * sum(segment.macs for segment in shapes.segments))


@caught_by(WORK, "planned are")
class TakesFiveTimesItsWork(FeedbackAlignment):
    def after_update(self):
        for linear_map in self.network.maps.values():
            noise = torch.zeros(100, linear_map.weight.shape[1])
            linear_map.apply_weight(noise, linear_map.weight)


class Keeping(After):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.kept = []


@caught_by(GROWTH, "stays the same in size", sample="unheard-of-map")
class KeepsAMegabyteOfEveryStep(Keeping):
    def spoil(self, batch):
        self.kept.append(torch.zeros(250_000))


@caught_by(GROWTH, "nodes of graphs", sample="unheard-of-map")
class KeepsTheGraphOfEveryStep(Keeping):
    def spoil(self, batch):
        weight = self.network.maps["dense1"].weight
        self.kept[:] = [sum(self.kept, weight.sum())]


EVERY_STEP = []


@caught_by(GROWTH, "objects", sample="unheard-of-map")
class KeepsThingsInItsModule(After):
    def spoil(self, batch):
        EVERY_STEP.append(object())


# --- claims ----------------------------------------------------------------------------------------------------------

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
    traits = _claiming(FeedbackAlignment, readout_update_is_backprop=False)


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
    traits = _claiming(FeedbackAlignment, readout_update_is_backprop=False)

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
    traits = _claiming(DirectFeedbackAlignment, map_kinds=frozenset({"dense", "conv2d"}))

    def attach(self, network, generator):
        self.__dict__["network"] = network
        self.register_buffer("feedback_weight", torch.zeros(1))


@caught_by(RuleConformance.test_says_what_every_rule_must_say, "lower-case")
class HasABadName(FeedbackAlignment):
    name = "Feedback Alignment"


@caught_by(RuleConformance.test_says_what_every_rule_must_say, "trains_hidden=False")
class ClaimsWhatCannotBe(FeedbackAlignment):
    traits = _claiming(FeedbackAlignment, trains_hidden=False, hidden_update_is_backprop=True)


@caught_by(RuleConformance.test_some_sample_network_is_compatible, "dense: refuses_all: too small")
@caught_by(RuleConformance.test_learns_digits, "refuses_all: too small")
class RefusesAll(FeedbackAlignment):
    name = "refuses_all"

    def attach(self, network, generator):
        raise IncompatibleError(self.name, ["too small"])


@caught_by(RuleConformance.test_some_sample_network_is_compatible, "at least one network")
class FitsNowhere(FeedbackAlignment):
    traits = _claiming(FeedbackAlignment, forms=frozenset({"spiking"}))


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


# --- the tests -------------------------------------------------------------------------------------------------------


def _run(mutant: Mutant, rule: type[Rule]) -> None:
    kit = type("Kit", (RuleConformance,), {"rule": rule})()
    check = getattr(kit, mutant.check)
    if check is not NOT_APPLICABLE:
        check(**mutant.arguments)


@pytest.fixture(autouse=True)
def restored_process():
    threads, python, stream = torch.get_num_threads(), random.getstate(), torch.get_rng_state()
    numpy, forward = np.random.get_state(), Segment.forward
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    random.setstate(python)
    torch.set_rng_state(stream)
    np.random.set_state(numpy)
    Segment.forward = forward  # type: ignore[method-assign]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.rule.__name__}-{m.check.removeprefix('test_')}")
def test_kit_catches(mutant):
    with pytest.raises(AssertionError, match="the contract asks") as caught:
        _run(mutant, mutant.rule)
    assert mutant.says in str(caught.value)
    assert "what to do:" in str(caught.value)


SOUND = [FeedbackAlignment, DirectFeedbackAlignment, Backprop, KolenPollack]


@pytest.mark.parametrize("rule", SOUND, ids=lambda r: r.name)
@pytest.mark.parametrize("check", sorted({m.check for m in MUTANTS}))
def test_the_sound_originals_pass_the_same_check(check, rule):
    # Of the needs, those two that every rule states.
    mutant = next(m for m in MUTANTS if m.check == check and m.arguments.get("need", "form") in {"form", "topology"})
    _run(mutant, rule)


class RefusesLargeNetworks(FeedbackAlignment):
    name = "refuses_large"

    def attach(self, network, generator):
        super().attach(network, generator)
        if len(network.segments) > 3:
            raise IncompatibleError(self.name, ["works with three segments at most"])


# --- predictions, parameters of its own, several ranks ---------------------------------------------------------------


PREDICTS = RuleConformance.test_predicts_as_its_traits_say


@caught_by(PREDICTS, "traits.own_inference=False")
class PredictsOtherwiseThanItSays(FeedbackAlignment):
    def predict(self, inputs):
        return 2 * super().predict(inputs)


@caught_by(PREDICTS, "traits.own_inference=True")
class ClaimsAnInferenceOfItsOwn(FeedbackAlignment):
    traits = _claiming(FeedbackAlignment, own_inference=True)


@caught_by(PREDICTS, "equal the second time: False")
class PredictsByChance(FeedbackAlignment):
    traits = _claiming(FeedbackAlignment, own_inference=True)

    def predict(self, inputs):
        return torch.rand(len(inputs), self.network.classes)


class WithClassifier(FeedbackAlignment):
    """Feedback alignment with a parameter of its own, which learns soundly."""

    traits = _claiming(FeedbackAlignment, own_parameters=True)

    def attach(self, network, generator):
        super().attach(network, generator)
        self.scale = nn.Parameter(torch.ones(3))

    @property
    def trained_parameters(self):
        return [ParameterGroup("scale", [self.scale])]

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.scale.grad = torch.ones(3)
        return result


OWN_PARAMETERS = RuleConformance.test_parameters_of_its_own_are_in_one_group_each_and_learn


@caught_by(OWN_PARAMETERS, "scale is in 0 groups")
class ForgetsItsOwnParameter(WithClassifier):
    trained_parameters = ()


@caught_by(OWN_PARAMETERS, "traits.own_parameters=False")
class HidesItsOwnParameter(WithClassifier):
    traits = FeedbackAlignment.traits


@caught_by(OWN_PARAMETERS, "scale did not move")
class NeverTrainsItsOwnParameter(WithClassifier):
    def assign_credit(self, batch):
        return super(WithClassifier, self).assign_credit(batch)


TWO_RANKS = RuleConformance.test_two_ranks_train_as_one


@caught_by(TWO_RANKS, "differs by")
class TakesAShardForTheBatch(After):
    def spoil(self, batch):
        for weight in self.network.parameters():
            weight.grad *= len(batch.targets)


@caught_by(TWO_RANKS, "differs by")
class DrawsNoiseForItsShardAlone(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.stream = RandomStream(generator)

    def assign_credit(self, batch):
        noise = torch.randn(batch.inputs.shape, generator=self.stream.on(batch.inputs.device)).to(batch.inputs.dtype)
        return super().assign_credit(replace(batch, inputs=batch.inputs + noise))


def test_a_network_that_attach_refuses_is_no_failure():
    """Catches a rule that is told to be broken where it says itself what it needs."""
    kit = type("Kit", (RuleConformance,), {"rule": RefusesLargeNetworks})()
    kit.test_some_sample_network_is_compatible()
    kit.test_attach_changes_nothing_around_it(SAMPLES["dense"])
    for check in (kit.test_attach_changes_nothing_around_it, kit.test_every_update_is_made_once):
        with pytest.raises(pytest.skip.Exception, match="works with three segments at most"):
            check(SAMPLES["unheard-of-map"])


def test_every_check_of_the_kit_has_a_mutant():
    checks = {name for name, _ in inspect.getmembers(RuleConformance, inspect.isfunction) if name.startswith("test_")}
    # On a GPU only; the checks of the same clause on the CPU have theirs.
    assert checks - {m.check for m in MUTANTS} == {"test_reads_no_value_back_from_a_gpu"}
