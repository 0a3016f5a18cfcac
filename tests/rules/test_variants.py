"""Configurations far from the defaults keep the contract too. The oracle is the conformance kit."""

from __future__ import annotations

from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback


class TestSparseUpdatedRandomFeedback(RuleConformance):
    rule = UpdatedRandomFeedback
    config = UpdatedRandomFeedback.Config(connectivity=0.5, feedback_rate=0.3)


class TestFixedRandomFeedback(RuleConformance):
    rule = UpdatedRandomFeedback
    config = UpdatedRandomFeedback.Config(feedback_rate=0)


class TestKolenPollackWithFastDecay(RuleConformance):
    rule = KolenPollack
    config = KolenPollack.Config(decay=0.01, distribution="normal")


class TestSignSymmetryOfFixedMagnitudes(RuleConformance):
    rule = SignSymmetry
    config = SignSymmetry.Config(magnitude="fixed_random", distribution="uniform", scale="root_fan_in")


class TestSignSymmetryOfFreshMagnitudes(RuleConformance):
    """It goes on drawing after ``attach``, so its stream has to be saved and resumed."""

    rule = SignSymmetry
    config = SignSymmetry.Config(magnitude="fresh_random")


class TestSignSymmetryWithExactReadout(RuleConformance):
    """With one hidden segment it would be backprop, and the kit would say so."""

    rule = SignSymmetry
    config = SignSymmetry.Config(exact_readout=True)
    networks = tuple(sample for sample in SAMPLE_NETWORKS if len(sample.outline.segments) > 2)
