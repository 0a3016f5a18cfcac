"""Oracles: identities between rules, and closed forms for W - B, under every optimizer of the harness.

All in float64. Feedback weights follow forward weights: by the same update (URFB, Kolen-Pollack) or by sign.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.conformance.samples import SAMPLE_NETWORKS
from benchsuite.specs.models.protocol import Adam, Sgd
from benchsuite.training.optimization import make_optimizer, set_learning_rate
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from benchsuite_rules.sign_symmetry import SignSymmetry
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback

from .chains import assert_near, attached, conv_case, conv_chains, dense_case, dense_chains, deterministic

RATE, DECAY = 0.05, 0.1
PLAIN = {
    "sgd": Sgd(kind="sgd", learning_rate=RATE),
    "momentum": Sgd(kind="sgd", learning_rate=RATE, momentum=0.9),
    "nesterov": Sgd(kind="sgd", learning_rate=RATE, momentum=0.9, nesterov=True),
    "adam": Adam(kind="adam", learning_rate=RATE),
    "adamw": Adam(kind="adamw", learning_rate=RATE),
}
DECAYING = {f"{name}-decay": spec.model_copy(update={"weight_decay": DECAY}) for name, spec in PLAIN.items()}
CASES = {
    "dense": dense_case(9, 8, activation="tanh"),
    "conv": conv_case(
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1, "activation": "softplus"},
        {"kind": "max_pool", "size": 2},
        {"kind": "conv2d", "channels": 6, "kernel": 3, "groups": 2, "activation": "tanh"},
        {"kind": "dense", "units": 7, "activation": "leaky_relu"},
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def every(optimizers):
    return pytest.mark.parametrize("optimizer", optimizers.values(), ids=optimizers)


def start(rule, case, optimizer, seed=7):
    network = case.network()
    attached(rule, network, seed)
    return network, make_optimizer(optimizer, network, rule)


def step(rule, optimizer, batch):
    optimizer.zero_grad(set_to_none=True)
    rule.assign_credit(batch)
    optimizer.step()
    rule.after_update()


@every(PLAIN)
@every_case
def test_decay_first_is_the_papers_update(case, optimizer):
    """W ← (1-λ)W + ΔW with the ΔW of the optimizer alone. Would catch a decay of what the step has changed, too."""
    rule = KolenPollack(KolenPollack.Config(decay=DECAY, order="decay_first"))
    plain = KolenPollack(KolenPollack.Config(decay=0))
    (network, moved), (bare, unmoved) = start(rule, case, optimizer), start(plain, case, optimizer)
    weights = {name: linear_map.weight.detach().clone() for name, linear_map in network.maps.items()}
    feedback = {name: weight.clone() for name, weight in rule.feedback.by_segment.items()}
    for one, its in ((rule, moved), (plain, unmoved)):
        step(one, its, case.data())
    for name, before in weights.items():
        assert_near(network.maps[name].weight, bare.maps[name].weight - DECAY * before)
    for name, before in feedback.items():
        assert_near(rule.feedback.by_segment[name], plain.feedback.by_segment[name] - DECAY * before)


def batch_of(case, position):
    return replace(case, seed=case.seed + 1_000 * position).data()


def trained(rule, case, optimizer, steps=5, prepare=lambda rule: None, data=0):
    """Return the network after some steps, and W - B by segment before the first and after each."""
    network, made = start(rule, case, optimizer)
    prepare(rule)
    apart = [difference(rule)]
    for position in range(data, data + steps):
        step(rule, made, batch_of(case, position))
        apart.append(difference(rule))
    return network, apart


def difference(rule):
    maps = rule.network.maps
    return {name: maps[name].weight.detach() - b for name, b in rule.feedback.by_segment.items()}


def mirror(rule):
    for name, feedback_weight in rule.feedback.by_segment.items():
        feedback_weight.copy_(rule.network.maps[name].weight.detach())


def assert_bitwise(one, two):
    for (name, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b), name


# --- identities between rules ----------------------------------------------------------------------------------------


def _hold_mirrored_start(case, optimizer):
    found, apart = trained(UpdatedRandomFeedback(), case, optimizer, prepare=mirror)
    expected, _ = trained(Backprop(), case, optimizer)
    for (name, a), b in zip(found.named_parameters(), expected.parameters(), strict=True):
        assert_near(a, b, what=name)
    assert all(not gap.any() for gaps in apart for gap in gaps.values())


@every_case
@every(PLAIN | DECAYING)
def test_urfb_that_starts_from_the_forward_weights_is_backprop_at_every_step(case, optimizer):
    """Would catch an optimizer that treats the two differently: momentum, moments, decay, or the order of updates."""
    _hold_mirrored_start(case, optimizer)


@deterministic
@given(case=st.one_of(dense_chains(norms=True), conv_chains()))
def test_urfb_that_starts_from_the_forward_weights_is_backprop_in_any_chain(case):
    _hold_mirrored_start(case, PLAIN["sgd"].model_copy(update={"learning_rate": 1e-3}))


@every_case
@every(PLAIN | DECAYING)
def test_urfb_at_rate_zero_is_feedback_alignment(case, optimizer):
    """Would catch fixed feedback that an optimizer's decay or momentum moves."""
    config = UpdatedRandomFeedback.Config(feedback_rate=0)
    assert_bitwise(
        trained(UpdatedRandomFeedback(config), case, optimizer)[0], trained(FeedbackAlignment(), case, optimizer)[0]
    )


@every_case
@every(PLAIN | DECAYING)
def test_urfb_at_full_rate_is_kolen_pollack_without_decay(case, optimizer):
    assert_bitwise(
        trained(UpdatedRandomFeedback(), case, optimizer)[0],
        trained(KolenPollack(KolenPollack.Config(decay=0)), case, optimizer)[0],
    )


# --- what becomes of W - B -------------------------------------------------------------------------------------------


@every_case
@every(PLAIN)
@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_urfb_moves_feedback_by_its_rate_times_the_forward_weights_way(case, optimizer, rate):
    """At rate one W - R stays as drawn. Would catch a scaled gradient, which Adam undoes, for a scaled rate."""
    rule = UpdatedRandomFeedback(UpdatedRandomFeedback.Config(feedback_rate=rate))
    network, made = start(rule, case, optimizer)
    before = {name: (network.maps[name].weight.detach().clone(), b.clone()) for name, b in _feedback(rule).items()}
    for position in range(5):
        step(rule, made, batch_of(case, position))
    for name, (weight, feedback_weight) in before.items():
        way = network.maps[name].weight.detach() - weight
        assert way.abs().max() > 1e-4
        assert_near(_feedback(rule)[name] - feedback_weight, rate * way, what=name)


def _hold_shrinking(apart, factor):
    for steps, gaps in enumerate(apart):
        for name, gap in gaps.items():
            assert_near(gap, factor**steps * apart[0][name], what=f"{name} after {steps}")


@every_case
@every(PLAIN)
def test_kolen_pollacks_own_decay_shrinks_the_difference_by_one_factor_a_step(case, optimizer):
    """Under momentum and Adam too. Would catch a decay that the learning rate scales, or that only one of them gets."""
    _, apart = trained(KolenPollack(KolenPollack.Config(decay=0.2)), case, optimizer)
    _hold_shrinking(apart, 0.8)


@every(PLAIN)
def test_kolen_pollacks_difference_shrinks_in_a_network_that_clamps_its_weights(optimizer):
    """Catches feedback that goes on below zero where forward weights stop: credit then stays at random angles."""
    (sample,) = (each for each in SAMPLE_NETWORKS if each.name == "vectorized-dense")
    network = sample.build(torch.Generator().manual_seed(1)).double()
    rule = KolenPollack(KolenPollack.Config(decay=0.2))
    attached(rule, network)
    made = make_optimizer(optimizer, network, rule)
    before = difference(rule)
    for position in range(12):
        made.zero_grad(set_to_none=True)
        rule.assign_credit(sample.batch(position, dtype=torch.float64))
        made.step()
        network.constrain()
        rule.after_update()
        now = difference(rule)
        assert all((now[name].abs() <= 0.8 * gap.abs() + 1e-12).all() for name, gap in before.items())
        before = now


@every_case
@every({name: DECAYING[name] for name in ("sgd-decay", "adamw-decay")})
def test_the_protocols_decay_shrinks_the_difference_at_its_own_pace(case, optimizer):
    _, apart = trained(KolenPollack(KolenPollack.Config(decay=0)), case, optimizer)
    _hold_shrinking(apart, 1 - RATE * DECAY)


@every_case
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_protocols_decay_with_momentum_moves_the_difference_like_a_heavy_ball(case, nesterov):
    optimizer = DECAYING["nesterov-decay" if nesterov else "momentum-decay"]
    _, apart = trained(KolenPollack(KolenPollack.Config(decay=0)), case, optimizer, steps=8)
    for name, gap in apart[0].items():
        velocity = torch.zeros_like(gap)
        for gaps in apart[1:]:
            pull = DECAY * gap
            velocity = 0.9 * velocity + pull
            gap = gap - RATE * (pull + 0.9 * velocity if nesterov else velocity)
            assert_near(gaps[name], gap, what=name)


@every_case
def test_under_adam_with_coupled_decay_the_difference_depends_on_the_data(case):
    """The limit that the rule's docstring states: here the Kolen-Pollack identity does not hold."""
    rule = lambda: KolenPollack(KolenPollack.Config(decay=0))  # noqa: E731
    ends = [trained(rule(), case, DECAYING["adam-decay"], data=data)[1][-1] for data in (0, 50)]
    assert all((ends[0][n] - ends[1][n]).abs().max() > 1e-3 for n in ends[0])
    ends = [trained(rule(), case, DECAYING["adamw-decay"], data=data)[1][-1] for data in (0, 50)]
    assert all((ends[0][n] - ends[1][n]).abs().max() < 1e-12 for n in ends[0])


@every_case
def test_kolen_pollack_is_its_hand_written_step(case):
    """Would catch a bias that decays, and a first segment that does not."""
    rule = KolenPollack(KolenPollack.Config(decay=0.2))
    network, made = start(rule, case, PLAIN["sgd"])
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    step(rule, made, batch_of(case, 0))
    for name, parameter in network.named_parameters():
        kept = 0.8 if name.endswith("map.weight") else 1.0
        assert_near(parameter, kept * (before[name] - RATE * parameter.grad), what=name)


# --- the optimizer's side --------------------------------------------------------------------------------------------


@every(PLAIN | DECAYING)
def test_weights_share_one_gradient_and_no_optimizer_writes_into_it(optimizer):
    """Torch's foreach SGD with Nesterov momentum does: the second weight would move further than the first."""
    rule = UpdatedRandomFeedback()
    network, made = start(rule, CASES["conv"], optimizer)
    for position in range(3):
        made.zero_grad(set_to_none=True)
        rule.assign_credit(batch_of(CASES["conv"], position))
        shared = {name: network.maps[name].weight.grad for name in _feedback(rule)}
        assert all(b.grad is shared[name] for name, b in _feedback(rule).items())
        before = {name: gradient.clone() for name, gradient in shared.items()}
        made.step()
        assert all(torch.equal(shared[name], gradient) for name, gradient in before.items())


def test_a_schedule_keeps_the_ratio_of_the_rates():
    rule = UpdatedRandomFeedback(UpdatedRandomFeedback.Config(feedback_rate=0.25))
    network, made = start(rule, CASES["dense"], PLAIN["sgd"])
    assert [group["lr"] for group in made.param_groups] == [RATE, 0.25 * RATE]
    set_learning_rate(made, 0.4)
    assert [group["lr"] for group in made.param_groups] == [0.4, 0.1]
    assert [len(group["params"]) for group in made.param_groups] == [len(list(network.parameters())), 2]


def test_clearing_gradients_clears_those_of_feedback_weights():
    rule = KolenPollack()
    _, made = start(rule, CASES["dense"], PLAIN["sgd"])
    rule.assign_credit(CASES["dense"].data())
    made.zero_grad(set_to_none=True)
    assert all(b.grad is None for b in _feedback(rule).values())


# --- connectivity ----------------------------------------------------------------------------------------------------


@every_case
@every(PLAIN | DECAYING)
def test_connections_that_are_not_there_stay_away(case, optimizer):
    rule = UpdatedRandomFeedback(UpdatedRandomFeedback.Config(connectivity=0.5))
    network, made = start(rule, case, optimizer)
    for position in range(5):
        step(rule, made, batch_of(case, position))
        for name, mask in rule.forward_masks.by_segment.items():
            assert torch.equal(network.maps[name].weight != 0, mask != 0), name
        for name, mask in rule.feedback_masks.by_segment.items():
            assert torch.equal(_feedback(rule)[name] != 0, mask != 0), name
    assert set(rule.forward_masks.by_segment) == set(network.hidden)
    assert set(rule.feedback_masks.by_segment) == set(network.hidden) & set(network.credit_senders)
    assert network.maps[network.readout].weight.all()
    assert _feedback(rule)[network.readout].all()


def test_masks_keep_the_share_asked_for_and_are_drawn_apart():
    rule = UpdatedRandomFeedback(UpdatedRandomFeedback.Config(connectivity=0.3))
    attached(rule, dense_case(100, 100, 100, inputs=100).network())
    masks = rule.forward_masks.by_segment
    assert all(0.27 < mask.mean() < 0.33 for mask in masks.values())
    both = masks["dense2"] * rule.feedback_masks.by_segment["dense2"]
    assert 0.07 < both.mean() < 0.11


# --- sign-symmetry ---------------------------------------------------------------------------------------------------


@deterministic
@given(
    case=st.one_of(dense_chains(norms=True), conv_chains()),
    magnitude=st.sampled_from(["equal", "fixed_random", "fresh_random"]),
    distribution=st.sampled_from(["half_normal", "uniform"]),
    scale=st.sampled_from(["he_fan_out", "root_fan_in", "glorot", "one"]),
)
def test_sign_symmetric_feedback_has_the_weights_signs_at_every_step(case, magnitude, distribution, scale):
    """Steps are so large that signs turn. Would catch feedback one step behind, and a sign that ``attach`` forgot."""
    rule = SignSymmetry(SignSymmetry.Config(magnitude=magnitude, distribution=distribution, scale=scale))
    network, made = start(rule, case, PLAIN["adam"].model_copy(update={"learning_rate": 1.0}))
    sizes = []
    for position in range(4):
        sizes.append({name: b.abs() for name, b in _feedback(rule).items()})
        for name, b in _feedback(rule).items():
            assert torch.equal(b.sign(), network.maps[name].weight.detach().sign()), name
        step(rule, made, batch_of(case, position))
    for name in network.credit_senders:
        anew = [not torch.equal(later[name], sizes[0][name]) for later in sizes[1:]]
        assert all(anew) if magnitude == "fresh_random" else not any(anew), name


def test_signs_do_turn_in_the_test_above():
    rule = SignSymmetry()
    _, made = start(rule, CASES["conv"], PLAIN["adam"].model_copy(update={"learning_rate": 1.0}))
    before = {name: b.clone() for name, b in _feedback(rule).items()}
    step(rule, made, CASES["conv"].data())
    assert all((before[name] != b).any() for name, b in _feedback(rule).items())


@pytest.mark.parametrize("magnitude", ["equal", "fixed_random", "fresh_random"])
def test_a_weight_of_zero_passes_no_credit_until_it_has_a_sign(magnitude):
    network = CASES["dense"].network()
    weight = network.maps["dense2"].weight
    with torch.no_grad():
        weight[0] = 0
    rule = attached(SignSymmetry(SignSymmetry.Config(magnitude=magnitude)), network)
    feedback_weight = _feedback(rule)["dense2"]
    assert not feedback_weight[0].any()
    assert feedback_weight[1:].all()
    with torch.no_grad():
        weight[0] = -1
    rule.after_update()
    assert (feedback_weight[0] < 0).all()


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("he_fan_out", [(2 / 27) ** 0.5, (2 / 7) ** 0.5, (2 / 4) ** 0.5]),
        ("root_fan_in", [18**-0.5, 24**-0.5, 7**-0.5]),
        ("glorot", [(2 / 45) ** 0.5, (2 / 31) ** 0.5, (2 / 11) ** 0.5]),
        ("one", [1, 1, 1]),
    ],
)
def test_magnitudes_have_the_scale_their_formula_says(scale, expected):
    """On conv (4 to 6 channels, 3x3, two groups), dense 24 to 7 and the readout 7 to 4."""
    rule = attached(SignSymmetry(SignSymmetry.Config(scale=scale)), CASES["conv"].network())
    assert [float(b.abs().max()) for b in _feedback(rule).values()] == pytest.approx(expected)
    assert [float(b.abs().min()) for b in _feedback(rule).values()] == pytest.approx(expected)


def test_an_exact_readout_passes_credit_through_its_own_weight():
    config = SignSymmetry.Config(exact_readout=True)
    rule = attached(SignSymmetry(config), CASES["conv"].network())
    assert rule.taken_over == ("conv1", "conv2")  # dense1 gets the readout's exact credit
    assert attached(SignSymmetry(config), dense_case(9).network()).taken_over == ()


def _feedback(rule):
    return rule.feedback.by_segment
