"""Oracle: what rules are written to do, counted or measured by hand."""

from __future__ import annotations

import pytest
import torch

from benchsuite.conformance.audit.exactness import HIDDEN_UPDATE_IS_BACKPROP, READOUT_UPDATE_IS_BACKPROP
from benchsuite.conformance.audit.forward_weights import CHANGES_FORWARD_WEIGHTS
from benchsuite.conformance.audit.forward_weights import observe as observe_changes
from benchsuite.conformance.audit.separate_phase import SEPARATE_PHASE
from benchsuite.conformance.audit.separate_phase import observe as observe_passes
from benchsuite.conformance.audit.trained_segments import TRAINS_HIDDEN
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.node_perturbation import NodePerturbation
from benchsuite_rules.readout_only import ReadoutOnly
from benchsuite_rules.weight_mirror import WeightMirror

from .declared import SAMPLES, declaring, verdict

# --- passes -----------------------------------------------------------------------------------------------------------


class LooksTwice(FeedbackAlignment):
    def assign_credit(self, batch):
        with torch.no_grad(), self.network.repeated(), self.network.untracked():
            self.network(batch.inputs)
        return super().assign_credit(batch)


class LooksAfterwards(FeedbackAlignment):
    def after_update(self):
        with torch.no_grad():
            self.network.segments["readout"].probe(torch.ones(1, 12, dtype=torch.float64))


class LooksBeforehand(FeedbackAlignment):
    def before_training(self):
        LooksAfterwards.after_update(self)


@pytest.mark.parametrize(
    ("rule", "where"),
    [(LooksTwice, "assign_credit"), (LooksAfterwards, "after_update"), (LooksBeforehand, "attach and before_training")],
)
def test_a_pass_beside_the_one_of_a_step_is_caught(rule, where):
    found = observe_passes(rule, SAMPLES["dense"])
    assert found.value == 1
    assert found.where.endswith(f" at {where}")
    assert verdict(SEPARATE_PHASE, rule, "dense") == "contradicted"


def test_passes_are_counted_as_the_rule_says_it_makes_them():
    def perturbs():
        return NodePerturbation(NodePerturbation.Config(two_sided=True, samples=3))

    def mirrors():
        return WeightMirror(WeightMirror.Config(initial_mirror_steps=7, mirror_steps=4))

    assert observe_passes(perturbs, SAMPLES["dense"]).value == 6
    assert observe_passes(mirrors, SAMPLES["dense"]).value == 7


def test_declaring_a_phase_one_does_not_need_is_no_failure():
    assert verdict(SEPARATE_PHASE, declaring(FeedbackAlignment, separate_phase=True), "dense") == "could_be_stronger"


# --- what is trained, and how exactly ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "declared"), [(ReadoutOnly, True), (FeedbackAlignment, False)])
def test_whether_hidden_segments_are_trained_is_seen_either_way(rule, declared):
    assert verdict(TRAINS_HIDDEN, declaring(rule, trains_hidden=declared), "dense") == "contradicted"
    assert verdict(TRAINS_HIDDEN, rule, "dense") == "confirmed"


class NearlyBackprop(Backprop):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        for name in ("dense1", "readout"):
            self.network.maps[name].weight.grad.mul_(1 + 1e-6)
        return result


@pytest.mark.parametrize(
    "trait_test", [HIDDEN_UPDATE_IS_BACKPROP, READOUT_UPDATE_IS_BACKPROP], ids=lambda test: test.trait
)
def test_an_update_off_by_a_millionth_is_not_backprops(trait_test):
    assert verdict(trait_test, NearlyBackprop, "dense") == "contradicted"
    audited = trait_test.audit(NearlyBackprop, NearlyBackprop.traits, [SAMPLES["dense"]])
    assert 1e-7 < audited.strongest.value < 1.001e-6


@pytest.mark.parametrize(
    "trait_test", [HIDDEN_UPDATE_IS_BACKPROP, READOUT_UPDATE_IS_BACKPROP], ids=lambda test: test.trait
)
def test_exactness_that_is_not_declared_is_no_failure(trait_test):
    assert verdict(trait_test, declaring(Backprop, **{trait_test.trait: False}), "dense") == "could_be_stronger"


def test_one_network_in_which_the_update_differs_is_enough():
    """With the readout alone there is nothing to see, and in one of two networks all is exact."""

    class ExactInSmallNetworks(FeedbackAlignment):
        traits = FeedbackAlignment.traits.model_copy(update={"hidden_update_is_backprop": True})

        def draw_feedback(self, linear_map, generator):
            return None if len(self.network.hidden) == 1 else super().draw_feedback(linear_map, generator)

    assert verdict(HIDDEN_UPDATE_IS_BACKPROP, ExactInSmallNetworks, "one-hidden", "no-hidden") == "confirmed"
    assert verdict(HIDDEN_UPDATE_IS_BACKPROP, ExactInSmallNetworks, "one-hidden", "dense") == "contradicted"


# --- forward weights --------------------------------------------------------------------------------------------------


class _WritesForwardWeights(FeedbackAlignment):
    def shrink(self):
        with torch.no_grad():
            self.network.maps["readout"].weight.mul_(0.75)


class WritesInAttach(_WritesForwardWeights):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.shrink()


class WritesBeforeTraining(_WritesForwardWeights):
    def before_training(self):
        self.shrink()


class WritesWhileAssigningCredit(_WritesForwardWeights):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.shrink()
        return result


class WritesAfterTheUpdate(_WritesForwardWeights):
    def after_update(self):
        self.shrink()


@pytest.mark.parametrize(
    ("rule", "moment"),
    [
        (WritesInAttach, "attach and before_training"),
        (WritesBeforeTraining, "attach and before_training"),
        (WritesWhileAssigningCredit, "assign_credit"),
        (WritesAfterTheUpdate, "after_update"),
    ],
)
def test_a_rule_that_writes_forward_weights_is_caught(rule, moment):
    found = observe_changes(rule, SAMPLES["dense"])
    assert found.value == pytest.approx(0.25)
    assert found.where == f"nodes.readout.map.weight at {moment}"
    assert verdict(CHANGES_FORWARD_WEIGHTS, rule, "dense") == "contradicted"


def test_a_decay_is_seen_and_has_its_size():
    found = observe_changes(lambda: KolenPollack(KolenPollack.Config(decay=0.125)), SAMPLES["dense"])
    assert found.value == pytest.approx(0.125)
