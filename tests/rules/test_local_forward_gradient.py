"""Oracles: autograd through each hidden segment's own loss, and the closed form of the estimate's variance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.networks.criterion import CRITERIA
from benchsuite.testing import Trial
from benchsuite_rules.local_forward_gradient import LocalForwardGradient

from .two_hidden import batch_at, started

UNITS = {"dense1": 16, "dense2": 12}


def _started(**config: int) -> Trial:
    return started(LocalForwardGradient(LocalForwardGradient.Config(**config)))


def _exact(trial: Trial, batch: Batch) -> dict[str, Tensor]:
    """Return the gradients of both local losses; no graph leads from the second segment to the first."""
    network, x, loss = trial.network, batch.inputs, torch.zeros((), dtype=torch.float64)
    for name, apply in (("dense1", torch.relu), ("dense2", torch.tanh)):
        x = apply(F.linear(x.detach(), network.maps[name].weight, network.maps[name].bias))
        loss = loss + F.cross_entropy(x @ trial.rule.classifiers[name].t(), batch.targets)
    named = {n: p for n, p in network.named_parameters() if "dense" in n}
    gradients = torch.autograd.grad(loss, [*named.values(), *trial.rule.classifiers.values()])
    return dict(zip([*named, *UNITS], gradients, strict=True))


def test_one_unit_of_each_group_at_a_time_adds_up_to_the_local_gradients() -> None:
    """Catches a derivative that another group's direction enters, one that leaves a segment, and a batch divided twice.

    Five groups divide neither 16 nor 12 units: the last group is smaller.
    """
    trial, batch = _started(groups=5), batch_at()
    exact, total = _exact(trial, batch), {}
    for place in range(4):
        size = {name: -(-units // 5) for name, units in UNITS.items()}
        chosen = {name: (torch.arange(units) % size[name] == place).double() for name, units in UNITS.items()}
        trial.rule.draw = lambda name, values, generator, given, on=chosen: on[name].expand_as(values)
        for name, gradient in trial.gradients(batch).items():
            total[name] = total.get(name, 0) + gradient
    for name in exact:
        found = trial.rule.classifiers[name].grad if name in UNITS else total[name]
        torch.testing.assert_close(found, exact[name], rtol=1e-9, atol=1e-13)


def test_the_variance_is_that_of_a_groups_units_alone() -> None:
    """Catches noise on units that a nonlinearity has switched off, and one slope for a whole segment.

    With n perturbed units whose gradient is g the mean of |(g·v)v - g|² is (n + 1)|g|².
    """
    trial, many = _started(groups=4), 20_000
    one = batch_at()
    batch = Batch(one.inputs[:1].expand(many, -1), one.targets[:1].expand(many), CRITERIA["cross_entropy"])
    credit: dict[str, Tensor] = {}
    trial.network.credit_observer = lambda name, given, at_map: credit.update({name: at_map.detach() * many})
    trial.rule.assign_credit(batch)
    exact = _exact(trial, Batch(one.inputs[:1], one.targets[:1], one.criterion))
    for name, units in UNITS.items():
        gradient = exact[f"nodes.{name}.map.bias"]  # of a single example: the credit at its pre-activations
        for group in torch.arange(units).chunk(4):
            alive = int((gradient[group] != 0).sum())
            deviation = (credit[name][:, group] - gradient[group]).square().sum(1).mean()
            expected = (alive + 1) * gradient[group].square().sum()
            torch.testing.assert_close(deviation, expected, rtol=0.1, atol=1e-13)
            torch.testing.assert_close(credit[name][:, group][:, gradient[group] == 0].abs().sum().item(), 0.0)


def test_several_directions_are_averaged() -> None:
    """Catches a sum in place of a mean: the learning rate would depend on the number of directions."""
    once, thrice = _started(), _started(samples=3)
    for trial in (once, thrice):
        trial.rule.draw = lambda name, values, generator, given: torch.ones_like(values)
    expected = once.gradients(batch_at())
    for name, gradient in thrice.gradients(batch_at()).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-10, atol=1e-13)
