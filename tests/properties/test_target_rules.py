"""Oracles: the NumPy reference of the published algorithm, and backprop where inverses are transposes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from benchsuite.credit.batch import Batch
from benchsuite.errors import SingularMapError
from benchsuite.networks.maps import Dense
from benchsuite.networks.nonlinearity import leaky_relu
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.difference_target_propagation import DifferenceTargetPropagation
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.gait_prop import GaitProp
from benchsuite_rules.node_perturbation import NodePerturbation
from benchsuite_rules.normalized_gait_prop import NormalizedGaitProp
from benchsuite_rules.target_propagation import TargetPropagation
from benchsuite_rules.weight_mirror import WeightMirror

from .chains import deterministic
from .gait_reference import one_hot_target, softmax_target, target_gradients
from .invertible_chains import CLASSES, SquareCase, gradients_left, square_cases

ETA = 1e-3


def _each(distance):
    return np.maximum(distance, 1e-300)


def _fixed(difference):
    return np.full(len(difference), 0.05)


def _normalized(norm, scale):
    def gamma(difference):
        squares = (difference**2).sum(1)
        if scale == "per_batch":
            squares = np.full(len(squares), squares.mean())
        return ETA / _each(squares if norm == "squared" else np.sqrt(squares))

    return gamma


# A case is a rule and the γ of the reference, None for target propagation.
DIFFERENCES = {
    "target_propagation, differences": (
        lambda: TargetPropagation(TargetPropagation.Config(form="differences")),
        None,
    ),
    "gait_prop, differences": (lambda: GaitProp(GaitProp.Config(gamma=0.05, form="differences")), _fixed),
    "normalized, differences": (
        lambda: NormalizedGaitProp(NormalizedGaitProp.Config(form="differences")),
        _normalized("l2", "per_sample"),
    ),
}
RULES = {
    "target_propagation": (TargetPropagation, None),
    "gait_prop": (lambda: GaitProp(GaitProp.Config(gamma=0.05)), _fixed),
    **DIFFERENCES,
    **{
        f"normalized {norm} {scale}": (
            lambda norm=norm, scale=scale: NormalizedGaitProp(NormalizedGaitProp.Config(norm=norm, scale=scale)),
            _normalized(norm, scale),
        )
        for norm in ("l2", "squared")
        for scale in ("per_sample", "per_batch")
    },
}
TARGETS = {"squared_error": one_hot_target, "cross_entropy": softmax_target}


@pytest.mark.parametrize("name", sorted(RULES))
@deterministic
@given(case=square_cases(), criterion=st.sampled_from(sorted(TARGETS)))
def test_gradients_are_those_of_the_reference(name, case, criterion):
    """Would catch a scale of another example, auxiliary units out of place, a derivative forgotten or applied twice."""
    make, gamma = RULES[name]
    network, batch = case.network(), case.batch(criterion)
    found = gradients_left(make(), network, batch)
    target = TARGETS[criterion](CLASSES, batch.targets.numpy())
    expected = target_gradients(case.counterpart(network), batch.inputs.numpy(), target, gamma)
    # What is left of 16 digits when a difference is taken at a distance of η and less, through random matrices.
    for (segment, (weight, bias)), (by_weight, by_bias) in zip(found.items(), expected, strict=True):
        size = max(float(np.abs(by_weight).max()), 1e-12)
        for own, reference in ((weight.flatten(1).t(), by_weight), (bias, by_bias)):
            np.testing.assert_allclose(own.numpy(), reference, rtol=1e-5, atol=1e-5 * size, err_msg=segment)


@pytest.mark.parametrize("rule", [TargetPropagation, GaitProp, NormalizedGaitProp])
@deterministic
@given(case=square_cases(min_hidden_segments=1), size=st.sampled_from([1e-3, 0.3, 1.0]))
def test_both_forms_agree_where_rounding_does_not_decide(rule, case, size):
    """Would catch a difference that stops at a kink, or that has the wrong slope beyond it: large steps cross many."""
    steps = {GaitProp: {"gamma": size}, NormalizedGaitProp: {"eta": size}, TargetPropagation: {}}[rule]
    network, batch = case.network(), case.batch("squared_error")
    found = []
    for form in ("targets", "differences"):
        one = rule(rule.Config(form=form, **steps))
        one.attach(network, torch.Generator().manual_seed(0))
        found.append(one.target_differences(batch))
    by_targets, by_differences = found
    for segment, expected in by_targets.items():
        # What rounding of an activity takes from a difference, through the inverses of random matrices.
        atol = 1e-9 * max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(by_differences[segment], expected, rtol=1e-6, atol=atol, msg=segment)


@deterministic
@given(
    slope=st.sampled_from([0.01, 0.1, 0.5]),
    output=st.floats(-10, 10).filter(lambda value: value == 0 or abs(value) > 1e-3),
    ratio=st.floats(-3, 3),
)
def test_a_difference_is_that_of_the_inverse_function_across_the_kink(slope, output, ratio):
    activation = leaky_relu(slope)
    outputs = torch.tensor([output], dtype=torch.float64)
    differences = ratio * (outputs if output else torch.ones_like(outputs))
    expected = activation.invert(outputs) - activation.invert(outputs - differences)
    torch.testing.assert_close(activation.invert_difference(differences, outputs), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_difference_far_below_the_rounding_of_its_output_keeps_its_digits(dtype):
    """Would catch an output minus a target anywhere on the way: at 1e-12 of the output, float32 would return zero."""
    outputs = torch.tensor([1.7, -1.7, 0.3, -0.3], dtype=dtype)
    differences = torch.tensor([1.3e-12, 1.3e-12, -1.3e-12, -1.3e-12], dtype=dtype)
    found = leaky_relu(0.1).invert_difference(differences, outputs)
    expected = differences / torch.tensor([1, 0.1, 1, 0.1], dtype=dtype)
    torch.testing.assert_close(found, expected, rtol=4 * torch.finfo(dtype).eps, atol=0)


def _relative_gaps(rule, case, criterion):
    """By how much each segment's gradient differs from backprop's: with small ones, the angle in radians or more."""
    network, batch = case.network(), case.batch(criterion)
    for linear_map in network.maps.values():
        # Drawn in float32, so orthogonal to seven digits only.
        torch.nn.init.orthogonal_(linear_map.weight, generator=torch.Generator().manual_seed(case.seed))
    exact = gradients_left(Backprop(), network, batch)
    found = gradients_left(rule, network, batch)
    for segment, own in found.items():
        for gradient, backprop in zip(own, exact[segment], strict=True):
            yield float((gradient - backprop).norm() / exact[segment][0].norm())


@deterministic
@given(case=square_cases(scheme="orthogonal", min_hidden_segments=1), criterion=st.sampled_from(sorted(TARGETS)))
def test_with_orthogonal_weights_and_a_small_step_gait_prop_is_backprop(case, criterion):
    """In direction and size: away from a kink the differences are exactly linear, so nothing but rounding is left."""
    # Differences are γ to the depth, 1e-8 here, of which float64 knows eight digits; deeper they are rounding.
    assume(len(case.layers) <= 2)
    assert max(_relative_gaps(GaitProp(GaitProp.Config(gamma=1e-4)), case, criterion)) < 1e-6


@deterministic
@given(case=square_cases(scheme="orthogonal", min_hidden_segments=1), criterion=st.sampled_from(sorted(TARGETS)))
def test_with_orthogonal_weights_and_a_small_step_normalized_gait_prop_is_backprop(case, criterion):
    """At every depth: differences have the length η everywhere."""
    rule = NormalizedGaitProp(NormalizedGaitProp.Config(eta=1e-7))
    assert max(_relative_gaps(rule, case, criterion)) < 1e-6


def test_the_reference_is_backprop_too_where_it_should_be():
    """Holds the reference itself against autograd, so that both are not wrong alike."""
    case = SquareCase(({"kind": "conv2d", "channels": 2, "kernel": 2}, {"kind": "dense", "units": 7}), (1, 4, 4))
    network, batch = case.network(), case.batch()
    exact = gradients_left(Backprop(), network, batch)
    target = softmax_target(CLASSES, batch.targets.numpy())
    found = target_gradients(case.counterpart(network), batch.inputs.numpy(), target, lambda d: np.full(len(d), 1e-4))
    for (weight, _), (by_weight, _) in zip(exact.values(), found, strict=True):
        np.testing.assert_allclose(weight.flatten(1).t().numpy(), by_weight, rtol=1e-4, atol=1e-6)


TOWER = SquareCase(({"kind": "dense", "units": 6}, {"kind": "dense", "units": 4}), (9,), scheme="lecun_normal")
CONVS = SquareCase(
    ({"kind": "conv2d", "channels": 3, "kernel": 2, "padding": 1}, {"kind": "dense", "units": 5}),
    (2, 3, 3),
)


@pytest.mark.parametrize("case", [TOWER, CONVS], ids=["tower", "convs"])
@pytest.mark.parametrize(
    "rule",
    [
        TargetPropagation,
        GaitProp,
        NormalizedGaitProp,
        DifferenceTargetPropagation,
        lambda: DifferenceTargetPropagation(DifferenceTargetPropagation.Config(first_target="decoder")),
        Backprop,
        FeedbackAlignment,
        WeightMirror,
        DirectFeedbackAlignment,
        lambda: DirectFeedbackAlignment(DirectFeedbackAlignment.Config(matrix="per_segment")),
        NodePerturbation,
        lambda: NodePerturbation(NodePerturbation.Config(exact_readout=False)),
    ],
)
def test_auxiliary_units_get_no_error(case, rule):
    """At the readout, whose further outputs have their own activity for target, as in every layer below. Rules that
    hand out credit without asking what is read would train them too."""
    network = case.network()
    found = gradients_left(rule(), network, case.batch())
    passes = [layer.get("units", layer.get("channels")) for layer in case.layers] + [CLASSES]
    for (weight, bias), passed in zip(found.values(), passes, strict=True):
        assert len(weight) > passed
        assert not weight[passed:].any()
        assert not bias[passed:].any()
        assert weight[:passed].any()


@pytest.mark.parametrize("scale", ["per_sample", "per_batch"])
def test_an_example_without_an_error_adds_nothing(scale):
    """Would catch η / 0: one example that the network is sure of would make every gradient a not-a-number."""
    case = SquareCase(({"kind": "dense", "units": 8},) * 2, (8,))
    network, batch = case.network(), case.batch("squared_error")
    with torch.no_grad():
        # The first example's output is its target exactly: all of it is zero but the readout's bias.
        for linear_map in network.maps.values():
            linear_map.bias.zero_()
        network.maps["readout"].bias[0] = 1
    inputs, targets = batch.inputs.clone(), batch.targets.clone()
    inputs[0], targets[0] = 0, 0
    rule = NormalizedGaitProp(NormalizedGaitProp.Config(scale=scale))
    found = gradients_left(rule, network, Batch(inputs, targets, batch.criterion))
    others = gradients_left(rule, network, Batch(inputs[1:], targets[1:], batch.criterion))
    for segment, (weight, _) in found.items():
        tolerance = 1e-6 * float(weight.abs().max())
        torch.testing.assert_close(weight * 5, others[segment][0] * 4, rtol=1e-6, atol=tolerance)


@pytest.mark.parametrize("rule", [TargetPropagation, GaitProp, NormalizedGaitProp])
@pytest.mark.parametrize("case", [TOWER, CONVS], ids=["tower", "convs"])
def test_a_wide_target_pass_in_a_narrow_network_is_that_of_a_wide_one(rule, case):
    """Would catch targets in float64 from activations in float32: differences of 1e-6 would drown in their rounding."""
    wide = case.network(torch.float64)
    for linear_map in wide.maps.values():
        linear_map.float().double()
    narrow = case.network(torch.float32)
    batch = case.batch(dtype=torch.float32)
    exact = gradients_left(rule(), wide, Batch(batch.inputs.double(), batch.targets, batch.criterion))
    found = gradients_left(rule(rule.Config(precision="float64")), narrow, batch)
    for segment, (weight, _) in exact.items():
        assert found[segment][0].dtype == torch.float32
        tolerance = 1e-5 * float(weight.abs().max())
        torch.testing.assert_close(found[segment][0].double(), weight, rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("products", ["highest", "high"])
def test_a_float32_target_pass_has_products_of_all_their_bits(monkeypatch, products):
    """Would catch activations of TF32 in a pass that is recorded as float32: the distance between activation and target
    is below what TF32 tells apart. No GPU is needed to see that the pass is made again, with products set to the whole.
    """
    case = SquareCase(({"kind": "dense", "units": 12},) * 3, (12,))
    network, batch = case.network(torch.float32), case.batch(dtype=torch.float32)
    seen = []
    plain = Dense.apply_weight

    def apply_weight(self, *arguments):
        seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return plain(self, *arguments)

    monkeypatch.setattr(Dense, "apply_weight", apply_weight)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", products == "high")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(products)
    try:
        gradients_left(NormalizedGaitProp(), network, batch)
        assert torch.get_float32_matmul_precision() == products
        assert torch.backends.cudnn.allow_tf32 == (products == "high")
    finally:
        torch.set_float32_matmul_precision(before)
    own = len(network.maps)
    again = [("highest", False)] * own if products == "high" else []
    assert seen == [(products, products == "high")] * own + again


def test_a_narrow_target_pass_is_another_one():
    """Would catch a precision that is recorded and not used."""
    case = SquareCase(({"kind": "dense", "units": 12},) * 3, (12,))
    network, batch = case.network(), case.batch()
    wide = gradients_left(NormalizedGaitProp(NormalizedGaitProp.Config(precision="float64")), network, batch)
    own = gradients_left(NormalizedGaitProp(), network, batch)
    narrow = gradients_left(NormalizedGaitProp(NormalizedGaitProp.Config(precision="float32")), network, batch)
    assert torch.equal(own["dense1"][0], wide["dense1"][0])
    assert 1e-7 < float((narrow["dense1"][0] - wide["dense1"][0]).norm() / wide["dense1"][0].norm()) < 1e-2


@pytest.mark.parametrize("rule_type", [TargetPropagation, GaitProp, NormalizedGaitProp])
def test_segments_that_became_singular_are_named_once_those_of_the_first_time(rule_type):
    """Would catch a name for every segment: a step later nothing is a number any more."""
    case = SquareCase(({"kind": "dense", "units": 6},) * 3, (6,))
    network, batch = case.network(), case.batch()
    rule = rule_type()
    gradients_left(rule, network, batch)
    rule.after_epoch()
    with torch.no_grad():
        network.maps["dense2"].weight[3] = network.maps["dense2"].weight[1]
    rule.assign_credit(batch)
    with torch.no_grad():
        network.maps["readout"].weight.zero_()
    rule.assign_credit(batch)
    with pytest.raises(SingularMapError, match="dense2 became singular") as caught:
        rule.after_epoch()
    assert caught.value.segments == ["dense2"]


def test_the_first_segment_is_never_inverted():
    case = SquareCase(({"kind": "dense", "units": 6},) * 2, (6,))
    network, batch = case.network(), case.batch()
    with torch.no_grad():
        network.maps["dense1"].weight.zero_()
    rule = TargetPropagation()
    gradients_left(rule, network, batch)
    rule.after_epoch()
