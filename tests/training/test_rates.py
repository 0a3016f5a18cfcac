"""Oracle: one step of plain SGD, in which a weight moves by its rate times its gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Generator, nn

from benchsuite.conformance.samples import SAMPLE_NETWORKS, Trial
from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.parameters import ParameterGroup, parameter_groups
from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits
from benchsuite.errors import PluginError
from benchsuite.networks.network import Network
from benchsuite.specs.models.protocol import Sgd
from benchsuite.training.optimization import make_optimizer, set_learning_rate
from benchsuite_rules.backprop import Backprop

SAMPLE = next(sample for sample in SAMPLE_NETWORKS if len(sample.shapes.segments) > 3)


class WithOwnParameters(Rule):
    """Backprop, with a parameter of its own in each of two groups."""

    name = "with_own_parameters"
    traits = RuleTraits(mechanism="own_gradients", source="a test", own_parameters=True)

    def attach(self, network: Network, generator: Generator) -> None:
        super().attach(network, generator)
        self.slow, self.free = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))

    @property
    def trained_parameters(self) -> Iterable[ParameterGroup]:
        return ParameterGroup("slow", [self.slow], rate=0.5), ParameterGroup("free", [self.free], decays=False)

    def assign_credit(self, batch: Batch) -> StepResult:
        logits = self.network(batch.inputs)
        loss = batch.criterion(logits, batch.targets)
        loss.backward()
        self.slow.grad, self.free.grad = torch.ones(3), torch.ones(3)
        return StepResult(loss.detach(), logits.detach())


def sgd(**options: Any) -> Sgd:
    return Sgd(kind="sgd", learning_rate=0.1, **options)


def test_each_segment_moves_by_its_own_multiple_of_the_rate_also_after_the_schedule_set_it():
    """Catches rates that the schedule overwrites, and a pattern that a later one takes over."""
    first, second, *_ = SAMPLE.shapes.segments
    trial = Trial.start(Backprop(), SAMPLE)
    rates = {first.name: 3.0, f"{first.name[:-1]}*": 0.5}
    trial.optimizer = make_optimizer(sgd(rates=rates), trial.network, trial.rule)
    set_learning_rate(trial.optimizer, 0.2)
    before = {name: weight.detach().clone() for name, weight in trial.network.named_parameters()}
    gradients = trial.gradients(SAMPLE.batch(0))
    trial.update_weights()
    for name, weight in trial.network.named_parameters():
        segment = trial.segment_of(name)
        multiple = 3.0 if segment == first.name else 0.5 if segment.startswith(first.name[:-1]) else 1.0
        torch.testing.assert_close(weight.detach(), before[name] - 0.2 * multiple * gradients[name])
    assert second.name.startswith(first.name[:-1])  # so both patterns were used


def test_a_rules_own_parameters_move_at_their_rate_and_decay_only_where_they_should():
    """Catches a group that gets the network's rate or decay, and parameters that no optimizer has."""
    trial = Trial.start(WithOwnParameters(), SAMPLE)
    rule = trial.rule
    assert isinstance(rule, WithOwnParameters)
    trial.optimizer = make_optimizer(sgd(weight_decay=0.1), trial.network, rule)
    trial.step(SAMPLE.batch(0))
    torch.testing.assert_close(rule.slow.detach(), torch.full((3,), 1 - 0.05 * 1.1))
    torch.testing.assert_close(rule.free.detach(), torch.full((3,), 1 - 0.1))
    saved = rule.state_dict()
    assert saved["slow"].equal(rule.slow)


def test_a_parameter_in_two_groups_is_refused_by_name():
    class Twice(WithOwnParameters):
        @property
        def trained_parameters(self) -> Iterable[ParameterGroup]:
            return ParameterGroup("slow", [self.slow]), ParameterGroup("again", [self.free, self.slow])

    with pytest.raises(PluginError, match=r"with_own_parameters: trained_parameters has in 'again' .* shape \(3,\)"):
        Trial.start(Twice(), SAMPLE)


def test_without_rates_all_parameters_are_in_one_group():
    """Catches a group per segment, which costs a pass of the optimizer each."""
    trial = Trial.start(Backprop(), SAMPLE)
    assert len(parameter_groups(trial.network, trial.rule, 0.1, sgd().rate_of)) == 1


@pytest.mark.parametrize("pattern", ["dense9", "hidden*"])
def test_a_pattern_that_fits_no_segment_is_found(pattern: str):
    assert sgd(rates={pattern: 2.0, "*": 1.0}).unused_rates(["dense1", "readout"]) == [pattern]
