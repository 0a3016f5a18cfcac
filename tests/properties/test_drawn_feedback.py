"""Oracles: fans counted by hand, torch's own draws from the same stream, and moments of what is drawn."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from benchsuite.credit import DrawnFeedbackConfig
from benchsuite.errors import SpecError
from benchsuite.networks.maps import LinearMap, map_kinds
from benchsuite.registry.manager import installed_registry
from benchsuite.testing import CustomMap
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback

from .chains import attached, conv_case, dense_case

CONV = conv_case(
    {"kind": "conv2d", "channels": 24, "kernel": 3, "padding": 1},
    {"kind": "conv2d", "channels": 40, "kernel": 3, "padding": 1},
    {"kind": "max_pool", "size": 2},
    {"kind": "dense", "units": 50},
)
XIAO = {
    "conv2d": {"distribution": "normal", "scale": "he_fan_out"},
    "dense": {"distribution": "uniform", "half_width": "root_fan_in"},
}
S_CONV, S_DENSE, S_READOUT = (2 / (3 * 3 * 40)) ** 0.5, (40 * 4 * 4) ** -0.5, 50**-0.5


def drawn(rule, case=CONV):
    return attached(rule, case.network()).feedback.by_segment


def test_the_default_draw_is_torchs_from_the_feedback_stream():
    """To the bit: recorded runs drew so. Glorot's half-width is sqrt(6 / (fan_in + fan_out))."""
    found = drawn(FeedbackAlignment(), dense_case(9, 8))
    stream = torch.Generator().manual_seed(7)
    for name, shape in {"dense2": (8, 9), "readout": (5, 8)}.items():
        half_width = (2 / sum(shape)) ** 0.5 * 3**0.5
        expected = torch.empty(shape, dtype=torch.float64).uniform_(-half_width, half_width, generator=stream)
        assert torch.equal(found[name], expected), name


def test_the_published_feedback_alignment_can_be_said_exactly():
    """Xiao et al.: N(0, s²), s = sqrt(2 / (k k C_out)), for convolutions; U(-s, s), s = 1 / sqrt(n_in), else."""
    found = drawn(FeedbackAlignment(FeedbackAlignment.Config(by_map=XIAO)))
    stream = torch.Generator().manual_seed(7)
    conv = torch.empty(40, 24, 3, 3, dtype=torch.float64).normal_(0, S_CONV, generator=stream)
    assert torch.equal(found["conv2"], conv)
    for name, shape, s in (("dense3", (50, 640), S_DENSE), ("readout", (4, 50), S_READOUT)):
        assert torch.equal(found[name], torch.empty(shape, dtype=torch.float64).uniform_(-s, s, generator=stream)), name


@pytest.mark.parametrize(
    ("config", "sd"),
    [
        ({}, (2 / (640 + 50)) ** 0.5),
        ({"scale": "root_fan_sum", "distribution": "normal"}, (640 + 50) ** -0.5),
        ({"standard_deviation": 0.3}, 0.3),
        ({"half_width": "root_fan_in"}, S_DENSE / 3**0.5),
        ({"half_width": "root_fan_in", "by_map": {"dense": {"scale": "one"}}}, 1.0),
        ({"scale": "one", "by_map": {"dense": {"distribution": "normal"}}}, 1.0),
        ({"standard_deviation": 0.3, "by_map": {"conv2d": {"scale": "one"}}}, 0.3),
    ],
)
def test_feedback_has_the_standard_deviation_that_was_asked_for(config, sd):
    """Would catch a half-width taken for a standard deviation, and one kind's draw applied to another's."""
    rule = FeedbackAlignment(FeedbackAlignment.Config(**config))
    found = drawn(rule)["dense3"]
    assert float(found.std()) == pytest.approx(sd, rel=0.02)
    assert rule.config.standard_deviation_of(rule.network.maps["dense3"]) == pytest.approx(sd)


def test_sign_symmetrys_magnitudes_go_by_kind_too():
    config = SignSymmetry.Config(by_map={"dense": {"scale": "root_fan_in", "distribution": "uniform"}})
    found = drawn(SignSymmetry(config))
    for name, s in {"conv2": S_CONV, "dense3": S_DENSE, "readout": S_READOUT}.items():
        assert torch.allclose(found[name].abs(), torch.full_like(found[name], s)), name
    rule = SignSymmetry(config.model_copy(update={"magnitude": "fixed_random"}))
    found = drawn(rule)
    rule.after_update()
    # |N(0, s²)| has the mean s sqrt(2/π) and no bound; U[0, s) has the mean s/2 and the bound s.
    assert float(found["conv2"].abs().mean()) == pytest.approx(S_CONV * (2 / torch.pi) ** 0.5, rel=0.03)
    assert found["conv2"].abs().max() > 2 * S_CONV
    assert float(found["dense3"].abs().mean()) == pytest.approx(S_DENSE / 2, rel=0.03)
    assert found["dense3"].abs().max() <= S_DENSE


@pytest.mark.parametrize("config", [{}, {"by_map": XIAO}, {"distribution": "normal", "scale": "root_fan_in"}])
def test_rules_that_draw_alike_start_alike(config):
    started = [drawn(rule(rule.Config(**config))) for rule in (FeedbackAlignment, KolenPollack, UpdatedRandomFeedback)]
    for other in started[1:]:
        assert all(torch.equal(other[name], weight) for name, weight in started[0].items())


# --- density ----------------------------------------------------------------------------------------------------------


def test_sparse_feedback_is_the_dense_one_with_entries_left_out():
    """Those that are there keep their size; the share is that asked for, in every segment, within four errors."""
    dense, sparse = (drawn(FeedbackAlignment(FeedbackAlignment.Config(density=share))) for share in (1.0, 0.3))
    for name, feedback_weight in sparse.items():
        is_there = feedback_weight != 0
        assert torch.equal(feedback_weight[is_there], dense[name][is_there]), name
        share = float(is_there.double().mean())
        assert share == pytest.approx(0.3, abs=4 * (0.21 / is_there.numel()) ** 0.5), name


def test_entries_left_out_stay_zero():
    rule = FeedbackAlignment(FeedbackAlignment.Config(density=0.3))
    before = {name: weight.clone() for name, weight in drawn(rule).items()}
    rule.assign_credit(CONV.data())
    rule.after_update()
    assert all(torch.equal(weight, before[name]) for name, weight in rule.feedback.by_segment.items())


# --- what is refused, and what runs are called ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"by_map": {"conv": {"scale": "one"}}}, ".by_map.conv", "did you mean 'conv2d'?"),
        ({"by_map": {"dense": {"sale": "one"}}}, ".by_map.dense.sale", "unknown"),
        ({"scale": "one", "standard_deviation": 2}, "", "standard_deviation and scale mean the same"),
        ({"by_map": {"dense": {"scale": "one", "half_width": "one"}}}, "", "by_map.dense: scale and half_width"),
        ({"distribution": "normal", "half_width": "one"}, "", "a normal distribution has no half_width"),
        ({"by_map": {"dense": {"distribution": "normal"}}, "half_width": "one"}, "", "by_map.dense: a normal"),
        ({"density": 0}, ".density", "greater than 0"),
    ],
)
def test_a_contradiction_is_refused_before_anything_runs(config, field, says):
    with pytest.raises(SpecError) as caught:
        installed_registry().rule_config("feedback_alignment", config)
    (problem,) = caught.value.problems
    assert problem.field == f"rules.feedback_alignment.config{field}"
    assert says in problem.message


def test_any_map_that_has_been_defined_has_a_kind_to_draw_for():
    assert {"dense", "conv2d", "locally_connected2d", CustomMap.kind} <= map_kinds()
    assert DrawnFeedbackConfig(by_map={CustomMap.kind: {"scale": "one"}}).by_map

    class Derived(CustomMap):
        kind = "derived_from_a_plugins"

    assert issubclass(Derived, LinearMap)
    assert "derived_from_a_plugins" in map_kinds()
    with pytest.raises(ValidationError, match="no kind of map"):
        DrawnFeedbackConfig(by_map={"derived_from_nobodys": {}})


def test_fields_at_their_defaults_leave_a_runs_name_as_it_was():
    written = {"distribution": "uniform", "standard_deviation": None}
    assert FeedbackAlignment.Config().model_dump(mode="json") == written
    assert FeedbackAlignment.Config(density=0.5).model_dump(mode="json") == {**written, "density": 0.5}
    assert "by_map" not in SignSymmetry.Config().model_dump(mode="json")
    assert not {"scale", "half_width", "by_map"} & set(KolenPollack.Config().model_dump(mode="json"))
