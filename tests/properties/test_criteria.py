"""Oracles: the closed forms in NumPy and autograd of the loss itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.networks.criterion import CRITERIA, criterion_of
from benchsuite.specs.models.protocol import OneVersusAllHinge

from .chains import assert_near, deterministic
from .reference import LOSSES

NAMES = sorted(CRITERIA)


def _draw(seed, batch, classes, scale=1.0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, scale, (batch, classes))).to(dtype)
    return logits, torch.from_numpy(rng.integers(0, classes, batch))


drawn = {
    "name": st.sampled_from(NAMES),
    "seed": st.integers(0, 2**31),
    "batch": st.integers(1, 16),
    "classes": st.integers(1, 40),
    "dtype": st.sampled_from([torch.float32, torch.float64]),
}


def test_every_criterion_has_a_closed_form_here():
    """Would catch a new loss that nothing below has ever seen."""
    assert set(CRITERIA) == set(LOSSES)


@deterministic
@given(**drawn)
def test_closed_form_error_is_autograds_and_numpys(name, seed, batch, classes, dtype):
    """Would catch the two mechanisms learning from different errors: one uses autograd, the other the closed form."""
    logits, targets = _draw(seed, batch, classes, 3.0, dtype)
    loss, error = CRITERIA[name].loss_and_error(logits, targets)
    leaf = logits.clone().requires_grad_()
    differentiable = CRITERIA[name](leaf, targets)
    differentiable.backward()
    expected_loss, expected_error = LOSSES[name](logits.double().numpy(), targets.numpy())
    for found in (loss, differentiable):
        assert_near(found, np.array(expected_loss), dtype, "loss")
    for found in (error, leaf.grad):
        assert_near(found, expected_error, dtype, "error")
    assert error.dtype == logits.dtype
    assert not loss.requires_grad
    assert not error.requires_grad


@deterministic
@given(**drawn)
def test_summed_loss_is_the_mean_times_the_batch(name, seed, batch, classes, dtype):
    """Would catch an evaluation that averages averages, wrong wherever the last batch is smaller."""
    logits, targets = _draw(seed, batch, classes, 1.0, dtype)
    summed = CRITERIA[name].summed(logits, targets)
    assert_near(summed, np.array(batch * LOSSES[name](logits.double().numpy(), targets.numpy())[0]), dtype)


@pytest.mark.parametrize("name", NAMES)
@deterministic
@given(**{key: drawn[key] for key in ("seed", "batch", "classes", "dtype")})
def test_each_examples_loss_is_that_of_the_example_alone(name, seed, batch, classes, dtype):
    """Would catch a loss meaned twice, or one that depends on the rest of the batch."""
    logits, targets = _draw(seed, batch, classes, 3.0, dtype)
    alone = [LOSSES[name](logits[i : i + 1].double().numpy(), targets[i : i + 1].numpy())[0] for i in range(batch)]
    assert_near(CRITERIA[name].per_example(logits, targets), np.array(alone), dtype)


@pytest.mark.parametrize("name", NAMES)
def test_working_out_the_error_leaves_logits_and_targets_alone(name):
    """Would catch the in-place arithmetic reaching the caller's logits, from which accuracy is counted afterwards."""
    logits, targets = _draw(1, 6, 4)
    kept = logits.clone(), targets.clone()
    CRITERIA[name].loss_and_error(logits, targets)
    assert torch.equal(logits, kept[0])
    assert torch.equal(targets, kept[1])


@pytest.mark.parametrize("name", NAMES)
def test_error_of_logits_with_a_graph_has_none_itself(name):
    """Would catch a graph kept alive from step to step: memory grows until the run dies."""
    logits, targets = _draw(2, 3, 4)
    loss, error = CRITERIA[name].loss_and_error(logits.requires_grad_() * 1, targets)
    assert loss.grad_fn is None
    assert error.grad_fn is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e3, 1e4, 1e6])
def test_cross_entropy_of_extreme_logits_stays_finite_and_right(scale, dtype):
    """Would catch exp() overflowing into nan where a rule's logits grow large without anything having diverged."""
    logits = torch.tensor([[scale, -scale, 0.0], [-scale, scale, 0.0]], dtype=dtype)
    targets = torch.tensor([0, 0])
    loss, error = CRITERIA["cross_entropy"].loss_and_error(logits, targets)
    assert_near(loss, np.array(scale), dtype)
    assert_near(error, np.array([[0, 0, 0], [-0.5, 0.5, 0]]), dtype)
    assert torch.isfinite(CRITERIA["cross_entropy"](logits, targets))


def test_cross_entropy_error_sums_to_zero_over_classes():
    """Would catch the one-hot scattered along the wrong axis or subtracted twice."""
    logits, targets = _draw(3, 16, 10, 5.0)
    error = CRITERIA["cross_entropy"].loss_and_error(logits, targets)[1]
    assert_near(error.sum(1), np.zeros(16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e3, 1e4, 1e6])
def test_binary_cross_entropy_of_extreme_logits_stays_finite_and_right(scale, dtype):
    """Would catch the sigmoid taken before the logarithm: log 0 where a logit is far on the wrong side."""
    logits = torch.tensor([[scale, -scale, 0.0], [-scale, scale, 0.0]], dtype=dtype)
    loss, error = CRITERIA["binary_cross_entropy"].loss_and_error(logits, torch.tensor([0, 0]))
    assert_near(loss, np.array((np.log(2) + 2 * scale + np.log(2)) / 2), dtype)
    assert_near(error, np.array([[0, 0, 0.25], [-0.5, 0.5, 0.25]]), dtype)


def test_hinge_of_known_logits():
    """Would catch the loss and its check above sharing a mistake: worked out by hand, with mu = 1/2 for three classes.

    The first example's class 0 has passed its margin; the second's class 2 lies exactly on it.
    """
    logits = torch.tensor([[1.5, -0.5, -2.0], [0.0, 3.0, 1.0]], dtype=torch.float64)
    loss, error = CRITERIA["one_versus_all_hinge"].loss_and_error(logits, torch.tensor([0, 2]))
    assert_near(loss, np.array((0.5 * 0.5 + 0.5 * (1.0 + 4.0)) / 2))
    assert_near(error, np.array([[0, 0.25, 0], [0.25, 0.25, 0]]))


@deterministic
@given(seed=st.integers(0, 2**31), mu=st.floats(0.01, 10), classes=st.integers(2, 12))
def test_a_written_mu_weighs_the_other_classes(seed, mu, classes):
    """Would catch mu read from the spec and the default used."""
    criterion = criterion_of(OneVersusAllHinge(kind="one_versus_all_hinge", mu=mu))
    logits, targets = _draw(seed, 6, classes, 2.0)
    expected_loss, expected_error = LOSSES["one_versus_all_hinge"](logits.numpy(), targets.numpy(), mu)
    loss, error = criterion.loss_and_error(logits, targets)
    assert_near(loss, expected_loss)
    assert_near(error, expected_error)
    assert_near(criterion(logits, targets), expected_loss)


def test_a_loss_by_name_is_the_one_of_that_name():
    """Would catch a name that leads to another loss now that there are two ways to write one."""
    assert all(criterion_of(name) is criterion for name, criterion in CRITERIA.items())
