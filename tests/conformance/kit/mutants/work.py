"""Mutants that take other work than they say, cannot be captured, or keep more from step to step."""

from __future__ import annotations

from typing import Any

import torch

from benchsuite.credit.work import CreditWork
from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from tests.conformance.kit.mutants.catching import After, caught_by

WORK = RuleConformance.test_takes_the_work_that_it_says
CAPTURE = RuleConformance.test_its_step_can_be_captured


@caught_by(CAPTURE, "makes a tensor from Python numbers")
class MakesATensorFromAPythonNumber(Backprop):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        result.logits * torch.tensor(1.0)
        return result


@caught_by(CAPTURE, "has a shape that depends on values")
class CountsExamplesByTheirValues(Backprop):
    def assign_credit(self, batch):
        torch.nonzero(batch.inputs)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "reads a tensor's value on the host")
class BranchesOnALoss(Backprop):
    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        result.loss.item()
        return result


@caught_by(CAPTURE, "draws from torch's global stream")
class DrawsFromTheGlobalStreamInEachStep(Backprop):
    def assign_credit(self, batch):
        torch.rand(3)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "neither the network's dropout nor a RandomStream")
class DrawsFromAGeneratorOfItsOwn(Backprop):
    def assign_credit(self, batch):
        self._own = getattr(self, "_own", None) or torch.Generator().manual_seed(0)
        torch.rand(3, generator=self._own)
        return super().assign_credit(batch)


@caught_by(CAPTURE, "has a shape that depends on values")
class TakesWhatAMaskSays(Backprop):
    def assign_credit(self, batch):
        batch.inputs[batch.inputs > 0]
        return super().assign_credit(batch)


@caught_by(CAPTURE, "has been replaced since")
class ReplacesItsRunningAverage(Backprop):
    """Replayed, it would read the average of the step that was captured, for ever."""

    average: Any = None

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.average = result.loss if self.average is None else 0.9 * self.average + 0.1 * result.loss
        return result


GROWTH = RuleConformance.test_keeps_no_more_from_step_to_step


@caught_by(WORK, "planned are")
class PlansTwiceItsWork(FeedbackAlignment):
    @classmethod
    def credit_work(cls, config, shapes):
        own = super().credit_work(config, shapes).per_example
        return CreditWork(per_example=own + 2 * sum(segment.macs for segment in shapes.segments))


@caught_by(WORK, "planned are")
class TakesFiveTimesItsWork(FeedbackAlignment):
    def after_update(self):
        for linear_map in self.network.maps.values():
            noise = torch.zeros(100, linear_map.weight.shape[1])
            linear_map.apply_weight(noise, linear_map.weight)


class Keeping(After):
    def attach(self, network, generator):
        super().attach(network, generator)
        self.kept = []


@caught_by(GROWTH, "stays the same in size", sample="unheard-of-map")
class KeepsAMegabyteOfEveryStep(Keeping):
    def spoil(self, batch):
        self.kept.append(torch.zeros(250_000))


@caught_by(GROWTH, "nodes of graphs", sample="unheard-of-map")
class KeepsTheGraphOfEveryStep(Keeping):
    def spoil(self, batch):
        weight = self.network.maps["dense1"].weight
        self.kept[:] = [sum(self.kept, weight.sum())]


EVERY_STEP = []


@caught_by(GROWTH, "objects", sample="unheard-of-map")
class KeepsThingsInItsModule(After):
    def spoil(self, batch):
        EVERY_STEP.append(object())
