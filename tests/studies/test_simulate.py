"""Oracles: what the paper says of its figure, NumPy's correlation, and who shares which draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchsuite.registry.manager import Registry
from benchsuite.studies.linear_dynamics.network import (
    LinearDynamics,
    SquaredErrorToTable,
    correlation,
    linear_network,
)
from benchsuite.studies.linear_dynamics.simulate import arms_of, draw_target, simulate, stream_seeds
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec as Spec
from benchsuite_rules.updated_random_feedback import UpdatedRandomFeedback

SMALL = Spec(
    name="small",
    kind="linear_dynamics",
    dimensions=(8, 20, 20, 4),
    target_standard_deviation=0.4,
    feedback_rates=(0, 0.5, 1),
    feedback_standard_deviation=0.1,
    backprop_standard_deviation=0.1,
    step_size=0.02,
    iterations=400,
    points=20,
    seeds=(0, 1),
)


def with_changes(**changes: object) -> Spec:
    return Spec.model_validate({**SMALL.model_dump(), **changes})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_error_falls_faster_the_more_feedback_weights_are_updated(registry: Registry, seed: int) -> None:
    """The paper's main claim of its linear case; the order of ε is the only thing that differs between the arms."""
    ends = [simulate(SMALL, seed, arm, registry.rules).squared_error[-1] for arm in arms_of(SMALL)[:3]]
    assert ends[0] > 2 * ends[1] > 4 * ends[2]


def test_all_rates_start_from_one_target_and_one_feedback(registry: Registry) -> None:
    """Catches a comparison of ε that is one of draws; the first steps show R, since W starts at zero."""
    spec = with_changes(iterations=3, points=3, feedback_rates=(0, 1e-9))
    still, hardly, exact = (simulate(spec, 5, arm, registry.rules) for arm in arms_of(spec))
    assert still.squared_error == pytest.approx(hardly.squared_error, rel=1e-6)
    for one, other in zip(still.correlations, hardly.correlations, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    start = draw_target(spec, torch.Generator().manual_seed(stream_seeds(5)["target"])).square().sum()
    assert still.squared_error[0] == pytest.approx(float(start), rel=1e-12)
    assert exact.squared_error[0] == pytest.approx(float(start), rel=0.1)
    assert exact.squared_error[0] != still.squared_error[0], "backprop starts from weights, not from zero"


def test_seeds_and_streams_share_nothing(registry: Registry) -> None:
    assert len({value for seed in range(3) for value in stream_seeds(seed).values()}) == 12
    spec = with_changes(iterations=5, points=5)
    (arm, *_) = arms_of(spec)
    errors = {simulate(spec, seed, arm, registry.rules).squared_error for seed in (0, 0, 1)}
    assert len(errors) == 2


def test_the_target_is_a_product_of_matrices_with_the_spread_asked_for() -> None:
    """Its entries have the variance s^(2k) times the inner dimensions; catches one factor too many or too few."""
    spec = with_changes(dimensions=(40, 100, 100, 10), target_standard_deviation=0.2)
    targets = [draw_target(spec, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert targets[0].shape == (40, 10)
    assert targets[0].dtype is torch.float64
    assert float(torch.stack(targets).std()) == pytest.approx(0.2**3 * 100, rel=0.05)


def test_weights_start_at_zero_or_with_the_spread_asked_for() -> None:
    zero = linear_network((30, 200, 100), None, torch.Generator())
    assert not any(w.any() for w in zero.parameters())
    drawn = linear_network((30, 200, 100), 0.05, torch.Generator().manual_seed(0))
    assert [tuple(w.shape) for w in drawn.parameters()] == [(200, 30), (100, 200)]
    assert {w.dtype for w in drawn.parameters()} == {torch.float64}
    for weight in drawn.parameters():
        assert float(weight.detach().std()) == pytest.approx(0.05, rel=0.05)


def test_correlations_are_numpys_and_none_where_a_weight_is_still_zero() -> None:
    network = linear_network((5, 6, 7, 3), None, torch.Generator())
    rule = UpdatedRandomFeedback(UpdatedRandomFeedback.Config(feedback_rate=0.5, standard_deviation=0.3))
    rule.attach(network, torch.Generator().manual_seed(0))
    stream = torch.Generator().manual_seed(1)
    first = torch.randn(6, 5, generator=stream, dtype=torch.float64) + 3
    system = LinearDynamics(network, rule, torch.randn(5, 3, generator=stream, dtype=torch.float64), 0.1, first, 0.5)
    seen = []
    for _ in range(4):
        seen.append(sum(value is None for value in system.correlations()))
        system.step()
    assert seen == [3, 2, 1, 0], "the flow from zero reaches one layer a step, from the input on"
    w = [weight.numpy() for weight in system.weights]
    r = [first.numpy() + 0.5 * w[0], *(b.numpy() for b in rule.feedback.by_segment.values())]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(w, r, strict=True)]
    assert system.correlations() == pytest.approx(expected, abs=1e-12)


def test_a_feedback_weight_that_is_not_followed_leaves_no_correlation(registry: Registry) -> None:
    exact = simulate(with_changes(iterations=2, points=2), 0, arms_of(SMALL)[-1], registry.rules)
    assert (exact.rule, exact.feedback_rate, exact.correlations) == ("backprop", None, ())


@pytest.mark.parametrize("values", [[0.0, 0.0], [2.0, 2.0], [math.inf, 1.0], [math.nan, 1.0]])
def test_a_correlation_with_what_does_not_vary_is_undefined(values: list[float]) -> None:
    assert correlation(torch.tensor(values), torch.tensor([1.0, 2.0])) is None


def test_a_correlation_does_not_depend_on_the_size_of_entries() -> None:
    tiny = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    assert correlation(tiny * 1e-200, tiny * 1e-200) == pytest.approx(1.0)
    assert correlation(tiny * 1e200, -tiny) == pytest.approx(-1.0)


def test_divergence_is_a_result_cut_where_the_numbers_end(registry: Registry) -> None:
    spec = with_changes(step_size=5.0, iterations=40, points=40)
    for arm in arms_of(spec):
        ended = simulate(spec, 0, arm, registry.rules)
        assert ended.status == "diverged"
        assert 0 < len(ended.squared_error) < 40
        assert all(map(math.isfinite, ended.squared_error))
        assert {len(curve) for curve in ended.correlations} <= {len(ended.squared_error)}
        assert f"iterations {len(ended.squared_error)} to" in ended.reason
        assert ended.final_log10_squared_error is None
        assert set(ended.final_correlations) <= {None}


def test_measuring_more_or_less_often_changes_no_number(registry: Registry) -> None:
    often, rarely = with_changes(iterations=40, points=40), with_changes(iterations=40, points=4)
    assert rarely.measured_iterations == (0, 10, 20, 30, 40)
    assert with_changes(iterations=3, points=100).measured_iterations == (0, 1, 2, 3)
    (arm, *_) = arms_of(often)
    one, other = simulate(often, 0, arm, registry.rules), simulate(rarely, 0, arm, registry.rules)
    assert one.squared_error[::10] == other.squared_error


def test_the_tables_criterion_has_the_gradient_of_its_loss() -> None:
    stream = torch.Generator().manual_seed(0)
    table, logits = (torch.randn(5, 3, generator=stream, dtype=torch.float64) for _ in range(2))
    criterion, rows = SquaredErrorToTable(table), torch.tensor([4, 0, 0, 2, 1])
    logits.requires_grad_()
    loss = criterion(logits, rows)
    loss.backward()
    found, error = criterion.loss_and_error(logits, rows)
    torch.testing.assert_close(error, logits.grad, rtol=0, atol=1e-15)
    expected = 0.5 * np.square(logits.detach().numpy() - table.numpy()[[4, 0, 0, 2, 1]]).sum()
    assert float(criterion.summed(logits, rows)) == pytest.approx(expected)
    assert criterion.per_example(logits.detach(), rows).tolist() == pytest.approx(
        [0.5 * np.square(x - table.numpy()[row]).sum() for x, row in zip(logits.detach().numpy(), rows, strict=True)]
    )
    assert float(loss.detach()) == float(found) == pytest.approx(expected / 5)
