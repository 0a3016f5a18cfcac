"""Oracles: NumPy's own Euler scheme of the URFB paper's eq. 9, and the quantity that its eq. 16 says is conserved.

All in float64, through the suite's own rules, networks and optimizer: a rule that moves W or R otherwise than its paper
says leaves these trajectories at once.
"""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchsuite.studies.linear_dynamics.network import LinearDynamics, linear_network
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback

DIMENSIONS = {2: (6, 9, 4), 3: (6, 9, 7, 4), 4: (6, 9, 7, 8, 4)}
STEP, STEPS = 0.02, 120

RATES = (0.0, 0.5, 1.0)

every_depth = pytest.mark.parametrize("depth", DIMENSIONS)


def depths_and_rates(first):
    """Return all pairs of a depth and a feedback rate; beyond each depth and each rate once, they are marked ``full``.

    Args:
        first: index of the rate of the smallest depth, so that tests differ in what they pair.

    """
    return [
        pytest.param(depth, rate, marks=[] if r == (first + d) % len(RATES) else [pytest.mark.full])
        for d, depth in enumerate(DIMENSIONS)
        for r, rate in enumerate(RATES)
    ]


def product(matrices, size):
    """Return the last matrix times … times the first; the identity if there is none."""
    return reduce(lambda above, below: below @ above, matrices, np.eye(size))


def flow(weights, feedback, target):
    """Return dW_1/dt … dW_k/dt of eq. 9; ``feedback`` is R_2 to R_k, R_l of W_l^T's shape."""
    error = target - product(weights, weights[0].shape[1])
    moves = []
    for i in range(len(weights)):
        credit = reduce(lambda credit, r: r @ credit, reversed(feedback[i:]), error)
        moves.append(credit @ product(weights[:i], weights[0].shape[1]).T)
    return moves


def euler(weights, feedback, target, rate, steps=STEPS, step_size=STEP):
    """Return the weights after each step; ``feedback`` None is backprop, R_l = W_l^T."""
    weights = [w.copy() for w in weights]
    followed = None if feedback is None else [r.copy() for r in feedback]
    path = []
    for _ in range(steps):
        moves = flow(weights, [w.T for w in weights[1:]] if followed is None else followed, target)
        weights = [w + step_size * move for w, move in zip(weights, moves, strict=True)]
        if followed is not None:
            followed = [r + rate * step_size * move.T for r, move in zip(followed, moves[1:], strict=True)]
        path.append(weights)
    return path, followed


def system_of(rule, depth, weight_sd, seed=0):
    """Return the suite's system on a random target."""
    dimensions = DIMENSIONS[depth]
    network = linear_network(dimensions, weight_sd, torch.Generator().manual_seed(seed))
    rule.attach(network, torch.Generator().manual_seed(seed + 1))
    stream = torch.Generator().manual_seed(seed + 2)
    target = torch.randn(dimensions[0], dimensions[-1], generator=stream, dtype=torch.float64)
    return LinearDynamics(network, rule, target, STEP)


def weights_of(system):
    return [w.numpy().copy() for w in system.weights]


def feedback_of(system):
    return [r.numpy().T.copy() for r in system.rule.feedback.by_segment.values()]


def urfb(rate, sd=0.4):
    config = UpdatedRandomFeedback.Config(distribution="normal", standard_deviation=sd, feedback_rate=rate)
    return UpdatedRandomFeedback(config)


# --- the same trajectory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_sd", [None, 0.3], ids=["from-zero", "from-random"])
@pytest.mark.parametrize(("depth", "rate"), depths_and_rates(first=2))
def test_urfb_follows_eulers_scheme_of_equation_9(depth, weight_sd, rate):
    system = system_of(urfb(rate), depth, weight_sd)
    target = system.batch.criterion.table.numpy().T
    path, followed = euler(weights_of(system), feedback_of(system), target, rate)
    start = system.squared_error()
    for expected in path:
        system.step()
        for found, wanted in zip(system.weights, expected, strict=True):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-10)
    for found, wanted in zip(feedback_of(system), followed, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)
    left = np.square(target - product(path[-1], target.shape[1])).sum()
    assert system.squared_error() == pytest.approx(left, rel=1e-10)
    assert left < 0.9 * start, "nothing was learnt, so nothing was compared"


@every_depth
def test_backprop_follows_the_gradient_flow(depth):
    system = system_of(Backprop(), depth, 0.3)
    path, _ = euler(weights_of(system), None, system.batch.criterion.table.numpy().T, 0)
    for expected in path:
        system.step()
        for found, wanted in zip(system.weights, expected, strict=True):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-10)


@every_depth
def test_at_rate_zero_the_flow_is_feedback_alignments(depth):
    fixed = FeedbackAlignment(FeedbackAlignment.Config(distribution="normal", standard_deviation=0.4))
    systems = [system_of(urfb(0.0), depth, None), system_of(fixed, depth, None)]
    for _ in range(STEPS):
        for system in systems:
            system.step()
    for one, other in zip(*(system.weights for system in systems), strict=True):
        assert one.any()
        assert torch.equal(one, other)


# --- what is conserved -----------------------------------------------------------------------------------------------


def decoupled(depth, rate, step_size, seed=3):
    """Return a system whose modes do not mix, its λ_T and λ_R, and a function that reads Λ_1 … Λ_k off its weights.

    R_i(0) = U_i Λ_{R,i} U_{i+1}^T and W(0) = 0, so that W_i = U_{i+1} Λ_i U_i^T for ever; U_1 is V of T's SVD.
    """
    dimensions = DIMENSIONS[depth]
    modes = dimensions[-1]
    draw = np.random.default_rng(seed)
    bases = [np.linalg.qr(draw.normal(size=(units, modes)))[0] for units in dimensions]
    target_modes = draw.uniform(0.8, 2.0, modes)
    feedback_modes = draw.uniform(0.4, 1.0, (depth, modes))
    network = linear_network(dimensions, None, torch.Generator())
    rule = urfb(rate)
    rule.attach(network, torch.Generator())
    for i, feedback_weight in enumerate(rule.feedback.by_segment.values(), start=1):
        feedback_weight.copy_(torch.from_numpy(bases[i + 1] @ np.diag(feedback_modes[i]) @ bases[i].T))
    target = torch.from_numpy(bases[0] @ np.diag(target_modes) @ bases[-1].T)
    system = LinearDynamics(network, rule, target, step_size)

    def read():
        return np.stack([b.T @ w.numpy() @ a for w, a, b in zip(system.weights, bases, bases[1:], strict=False)])

    return system, feedback_modes, read


def diagonals(matrices):
    return np.stack([np.diag(m) for m in matrices])


def defect(modes, feedback_modes, rate):
    """Return λ_{R,i} λ_i + (ε/2) λ_i² - λ_{i-1}²/2 for i from 2: zero in the flow, by eq. 16."""
    return feedback_modes[1:] * modes[1:] + rate / 2 * modes[1:] ** 2 - modes[:-1] ** 2 / 2


def after(depth, rate, step_size, time=3.0):
    system, feedback_modes, read = decoupled(depth, rate, step_size)
    for _ in range(round(time / step_size)):
        system.step()
    return diagonals(read()), feedback_modes


@pytest.mark.parametrize(("depth", "rate"), depths_and_rates(first=0))
def test_the_conserved_quantity_is_missed_by_less_the_smaller_the_step(depth, rate):
    """The error of Euler's scheme is of the order of the step: half the step, half the error, and no less."""
    sizes = (0.04, 0.02, 0.01)
    missed = []
    for size in sizes:
        modes, feedback_modes = after(depth, rate, size)
        assert (modes > 0.05).all(), "the modes have to have grown for the quantity to say anything"
        missed.append(np.abs(defect(modes, feedback_modes, rate)).max())
    assert missed[-1] < 0.01
    for coarse, fine in pairwise(missed):
        assert 1.8 < coarse / fine < 2.2


@pytest.mark.parametrize(("depth", "rate"), depths_and_rates(first=1))
def test_a_step_changes_the_conserved_quantity_by_its_second_order_alone(depth, rate):
    """(λ_R + ελ_i) Δλ_i = λ_{i-1} Δλ_{i-1} holds exactly in Euler's scheme, which leaves (ε Δλ_i² - Δλ_{i-1}²)/2.

    Would catch R that follows by another rate or a step late, which the step's own error hides above.
    """
    system, feedback_modes, read = decoupled(depth, rate, 0.02)
    expected = np.zeros_like(feedback_modes[1:])
    before = diagonals(read())
    for _ in range(150):
        system.step()
        now = diagonals(read())
        moved = now - before
        expected += (rate * moved[1:] ** 2 - moved[:-1] ** 2) / 2
        before = now
        np.testing.assert_allclose(defect(now, feedback_modes, rate), expected, rtol=0, atol=1e-12)
    assert np.abs(expected).min() > 1e-5


@every_depth
def test_modes_that_start_apart_stay_apart(depth):
    """The paper's premise for eq. 15; without it the test above would compare numbers of no meaning."""
    system, _, read = decoupled(depth, 0.5, 0.02)
    for _ in range(150):
        system.step()
    matrices = read()
    apart = matrices - np.stack([np.diag(np.diag(m)) for m in matrices])
    assert np.abs(apart).max() < 1e-12
