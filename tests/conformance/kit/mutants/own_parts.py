"""Mutants with an inference or parameters of their own, and mutants that see a shard for the batch."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from benchsuite.credit import RandomStream
from benchsuite.credit.parameters import ParameterGroup
from benchsuite.testing import RuleConformance
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from tests.conformance.kit.mutants.catching import After, caught_by, claiming

PREDICTS = RuleConformance.test_predicts_as_its_traits_say


@caught_by(PREDICTS, "traits.own_inference=False")
class PredictsOtherwiseThanItSays(FeedbackAlignment):
    def predict(self, inputs):
        return 2 * super().predict(inputs)


@caught_by(PREDICTS, "traits.own_inference=True")
class ClaimsAnInferenceOfItsOwn(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, own_inference=True)


@caught_by(PREDICTS, "equal the second time: False")
class PredictsByChance(FeedbackAlignment):
    traits = claiming(FeedbackAlignment, own_inference=True)

    def predict(self, inputs):
        return torch.rand(len(inputs), self.network.classes)


class WithClassifier(FeedbackAlignment):
    """Feedback alignment with a parameter of its own, which learns soundly."""

    traits = claiming(FeedbackAlignment, own_parameters=True)

    def attach(self, network, generator):
        super().attach(network, generator)
        self.scale = nn.Parameter(torch.ones(3))

    @property
    def trained_parameters(self):
        return [ParameterGroup("scale", [self.scale])]

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.scale.grad = torch.ones(3)
        return result


OWN_PARAMETERS = RuleConformance.test_parameters_of_its_own_are_in_one_group_each_and_learn


@caught_by(OWN_PARAMETERS, "scale is in 0 groups")
class ForgetsItsOwnParameter(WithClassifier):
    trained_parameters = ()


@caught_by(OWN_PARAMETERS, "traits.own_parameters=False")
class HidesItsOwnParameter(WithClassifier):
    traits = FeedbackAlignment.traits


@caught_by(OWN_PARAMETERS, "scale did not move")
class NeverTrainsItsOwnParameter(WithClassifier):
    def assign_credit(self, batch):
        return super(WithClassifier, self).assign_credit(batch)


TWO_RANKS = RuleConformance.test_two_ranks_train_as_one


@caught_by(TWO_RANKS, "differs by")
class TakesAShardForTheBatch(After):
    def spoil(self, batch):
        for weight in self.network.parameters():
            weight.grad *= len(batch.targets)


@caught_by(TWO_RANKS, "differs by")
class DrawsNoiseForItsShardAlone(FeedbackAlignment):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.stream = RandomStream(generator)

    def assign_credit(self, batch):
        noise = torch.randn(batch.inputs.shape, generator=self.stream.on(batch.inputs.device)).to(batch.inputs.dtype)
        return super().assign_credit(replace(batch, inputs=batch.inputs + noise))
