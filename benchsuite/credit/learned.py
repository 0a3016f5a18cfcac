"""First mechanism with learned feedback weights: each gets the gradient of its forward weight.

The increment of a forward weight, error times activity, is local to both directions of a connection. Rules whose
feedback weights follow it differ in their speed (``feedback_rate``) and in other changes to both weights.
"""

from __future__ import annotations

from torch import Generator, Tensor

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.drawing import DrawnConfigT
from benchsuite.credit.feedback import ReplacedFeedbackRule
from benchsuite.credit.parameters import LearnedFeedback
from benchsuite.networks.maps import LinearMap


class LearnedFeedbackRule(ReplacedFeedbackRule[DrawnConfigT]):
    """Backpropagation through feedback weights that the optimizer updates along with the forward weights."""

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's initial feedback weight, independent of its forward weight."""
        return self.config.draw(linear_map, generator)

    @property
    def feedback_rate(self) -> float:
        """Learning rate of the feedback weights as a multiple of the forward weights'; zero leaves them fixed."""
        return 1.0

    @property
    def learned_feedback(self) -> tuple[LearnedFeedback, ...]:
        """All feedback weights with their rates; empty if they are fixed."""
        rate = self.feedback_rate
        return tuple(LearnedFeedback(weight, rate) for weight in self.feedback.by_segment.values() if rate)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward and backward; each feedback weight shares the gradient tensor of its forward weight."""
        result = super().assign_credit(batch)
        if self.feedback_rate:
            for name, feedback_weight in self.feedback.by_segment.items():
                feedback_weight.grad = self.network.maps[name].weight.grad
        return result
