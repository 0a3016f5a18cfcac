"""All conformance suites of the built-in rules: their defaults, and settings far from them.

They stand in one place because they share the cases out: see ``select_covering_set``.
"""

from __future__ import annotations

from typing import Any

from benchsuite.registry.manager import installed_registry
from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance, select_covering_set
from benchsuite_rules.direct_kolen_pollack import DirectKolenPollack
from benchsuite_rules.equilibrium_propagation import EquilibriumPropagation
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.forward_gradient import ForwardGradient
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.leaky_direct_feedback_alignment import LeakyDirectFeedbackAlignment
from benchsuite_rules.local_losses import LocalLosses
from benchsuite_rules.node_perturbation import NodePerturbation
from benchsuite_rules.predictive_coding import PredictiveCoding
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback
from benchsuite_rules.weight_mirror import WeightMirror

REGISTRY = installed_registry()
BUILT_IN = {
    name: rule
    for name, rule in REGISTRY.rules.items()
    if REGISTRY.origins["rule", name].distribution.split()[0] == "benchsuite"
}

# What a rule needs beside the defaults, with the reason.
SETTINGS: dict[str, dict[str, Any]] = {
    "difference_target_propagation": {"draws_noise": True},
    "forward_gradient": {"draws_noise": True},
    "local_forward_gradient": {"draws_noise": True},
    # Small networks settle in fewer steps; those of the paper would take a fifth of all suites' time.
    "equilibrium_propagation": {"config": EquilibriumPropagation.Config(free_steps=20, nudged_steps=5)},
    "forward_forward": {"draws_noise": True},
    "node_perturbation": {"draws_noise": True},
    # As many steps as its deepest sample network has segments; 20 would take as long as six other rules.
    "predictive_coding": {"config": BUILT_IN["predictive_coding"].Config(steps=5, inference_rate=0.3)},
    # Its 300 mirror batches before training took two fifths of all suites' time. They matter to learning alone.
    "weight_mirror": {"config": WeightMirror.Config(initial_mirror_steps=5), "learning_config": WeightMirror.Config()},
}


def _suite_of_defaults(name: str) -> type[RuleConformance]:
    rule = BUILT_IN[name]
    return type(f"Test{rule.__name__}", (RuleConformance,), {"rule": rule, **SETTINGS.get(name, {})})


DEFAULTS = [_suite_of_defaults(name) for name in BUILT_IN]


class TestPredictiveCodingOfErrors(RuleConformance):
    rule = PredictiveCoding
    config = PredictiveCoding.Config(variables="errors", steps=2)


class TestIncrementalPredictiveCoding(RuleConformance):
    rule = PredictiveCoding
    config = PredictiveCoding.Config(incremental=True, steps=3, inference_rate=0.3)


class TestSparseUpdatedRandomFeedback(RuleConformance):
    rule = UpdatedRandomFeedback
    config = UpdatedRandomFeedback.Config(connectivity=0.5, feedback_rate=0.3)


class TestFixedRandomFeedback(RuleConformance):
    rule = UpdatedRandomFeedback
    config = UpdatedRandomFeedback.Config(feedback_rate=0)


class TestKolenPollackWithFastDecay(RuleConformance):
    rule = KolenPollack
    config = KolenPollack.Config(decay=0.01, distribution="normal")


class TestKolenPollackThatDecaysFirst(RuleConformance):
    rule = KolenPollack
    config = KolenPollack.Config(decay=0.01, order="decay_first")


class TestLeakyDirectFeedbackAlignmentThroughFilters(RuleConformance):
    """Networks in which every map has filters that all positions share."""

    rule = LeakyDirectFeedbackAlignment
    config = LeakyDirectFeedbackAlignment.Config(feedback="kernel")
    networks = tuple(
        sample
        for sample in SAMPLE_NETWORKS
        if all(
            s.map_kind in {"dense", "conv2d"} and s.map_options.get("groups", 1) == 1 for s in sample.shapes.segments
        )
    )


class TestSignSymmetryOfFixedMagnitudes(RuleConformance):
    rule = SignSymmetry
    config = SignSymmetry.Config(magnitude="fixed_random", distribution="uniform", scale="root_fan_in")


class TestSignSymmetryOfFreshMagnitudes(RuleConformance):
    """It goes on drawing after ``attach``, so its stream has to be saved and resumed."""

    rule = SignSymmetry
    config = SignSymmetry.Config(magnitude="fresh_random")


class TestSignSymmetryByKindOfMap(RuleConformance):
    """Xiao et al.'s scales."""

    rule = SignSymmetry
    config = SignSymmetry.Config(
        magnitude="fixed_random", by_map={"dense": {"scale": "root_fan_in", "distribution": "uniform"}}
    )


class TestSparseFeedbackAlignment(RuleConformance):
    rule = FeedbackAlignment
    config = FeedbackAlignment.Config(
        density=0.5,
        by_map={
            "conv2d": {"distribution": "normal", "scale": "he_fan_out"},
            "dense": {"distribution": "uniform", "half_width": "root_fan_in"},
        },
    )


class TestWeightMirrorOfTheAuthors(RuleConformance):
    rule = WeightMirror
    config = WeightMirror.Config(preset="authors", initial_mirror_steps=5)


class TestWeightMirrorOfEverythingElse(RuleConformance):
    """Settings of neither preset; two mirror batches per step, drawn from a stream that must be saved."""

    rule = WeightMirror
    config = WeightMirror.Config(
        norm_control="scaling",
        batch_norm="batch_statistics",
        bias_blocking=True,
        noise="uniform",
        mirror_steps=2,
        mirror_batch_size=16,
        initial_mirror_steps=3,
    )


class TestSignSymmetryWithExactReadout(RuleConformance):
    """With one hidden segment it would be backprop, and the kit would say so."""

    rule = SignSymmetry
    config = SignSymmetry.Config(exact_readout=True)
    networks = tuple(sample for sample in SAMPLE_NETWORKS if len(sample.shapes.segments) > 2)


class TestTwoSidedNodePerturbationInSeveralSamples(RuleConformance):
    rule = NodePerturbation
    config = NodePerturbation.Config(two_sided=True, samples=3)
    draws_noise = True


class _WithPerturbedReadout(NodePerturbation):
    traits = NodePerturbation.traits.model_copy(update={"readout_update_is_backprop": False})


class TestNodePerturbationOfTheReadoutToo(RuleConformance):
    """No gradient is exact then, and it learns: 0.86 to 0.93 over eight seeds, 0.94 to 0.96 with the exact readout."""

    rule = _WithPerturbedReadout
    config = NodePerturbation.Config(exact_readout=False)
    draws_noise = True
    learning_epochs = 20  # after 10 its accuracy is its floor's, 0.80


class TestDirectKolenPollackWithFastDecay(RuleConformance):
    rule = DirectKolenPollack
    config = DirectKolenPollack.Config(decay=0.01)


class TestLocalPredictionLoss(RuleConformance):
    """Classifiers of few inputs, so that images are averaged."""

    rule = LocalLosses
    config = LocalLosses.Config(loss="pred", classifier_inputs=16)


class TestLocalSimilarityLoss(RuleConformance):
    rule = LocalLosses
    config = LocalLosses.Config(loss="sim")
    learning_epochs = 20  # after 8 its accuracy is 0.79


class TestForwardGradientAlongSeveralDirections(RuleConformance):
    rule = ForwardGradient
    config = ForwardGradient.Config(samples=3)
    draws_noise = True


class _AlongWeights(ForwardGradient):
    traits = ForwardGradient.traits.model_copy(update={"readout_update_is_backprop": False})


class TestForwardGradientAlongWeights(RuleConformance):
    """No gradient is exact then, and its variance grows with the number of weights."""

    rule = _AlongWeights
    config = ForwardGradient.Config(perturb="weights")
    draws_noise = True
    learning_epochs = 30
    learning_floor = 0.4


VARIANTS: list[type[RuleConformance]] = [
    TestDirectKolenPollackWithFastDecay,
    TestLocalPredictionLoss,
    TestLocalSimilarityLoss,
    TestForwardGradientAlongSeveralDirections,
    TestForwardGradientAlongWeights,
    TestLeakyDirectFeedbackAlignmentThroughFilters,
    TestKolenPollackThatDecaysFirst,
    TestSparseUpdatedRandomFeedback,
    TestFixedRandomFeedback,
    TestKolenPollackWithFastDecay,
    TestSignSymmetryOfFixedMagnitudes,
    TestSignSymmetryOfFreshMagnitudes,
    TestSignSymmetryByKindOfMap,
    TestSparseFeedbackAlignment,
    TestWeightMirrorOfTheAuthors,
    TestWeightMirrorOfEverythingElse,
    TestSignSymmetryWithExactReadout,
    TestTwoSidedNodePerturbationInSeveralSamples,
    TestNodePerturbationOfTheReadoutToo,
]

for suite in [*DEFAULTS, *VARIANTS]:
    if "learning_epochs" not in vars(suite):
        suite.learning_epochs = 8  # of the kit's 20, and enough to pass the same floor

    if suite in VARIANTS:
        # What a rule refuses is a matter of its traits, which its defaults are asked for.
        suite.test_refuses_a_network_it_cannot_handle = None  # type: ignore[assignment, method-assign]

select_covering_set(DEFAULTS, VARIANTS)
