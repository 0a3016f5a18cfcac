"""First mechanism: autograd as usual, but cotangents are pulled back through feedback weights.

Backprop is the case without feedback weights. Rules that differ only in how their feedback weights are made and changed
derive from ``ReplacedFeedbackRule``. It works in any network that autograd works in.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.rule import ConfigT, Rule
from benchsuite.credit.vector_tape import propagated_credit, record_vector_forward
from benchsuite.errors import ShapeError
from benchsuite.networks.maps import LinearMap, replaced_feedback
from benchsuite.networks.network import Network


class FeedbackWeights(nn.Module):
    """Feedback weights by segment name, as buffers, so that they are moved and saved with the rule.

    Related tensors that every ``attach`` creates again need not be saved: use ``persistent=False``.
    """

    def __init__(self, weights: Mapping[str, Tensor], persistent: bool = True) -> None:
        super().__init__()
        for name, weight in weights.items():
            self.register_buffer(name, weight, persistent=persistent)

    @property
    def by_segment(self) -> dict[str, Tensor]:
        """The current weights by segment name."""
        return {name: weight for name, weight in self._buffers.items() if weight is not None}


class ReplacedFeedbackRule(Rule[ConfigT]):
    """Backpropagation through feedback weights that a subclass draws and may change in ``after_update``."""

    feedback: FeedbackWeights

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor | None:
        """Return the map's feedback weight, in the shape of its weight, or None to use the forward weight.

        Called in forward order for each segment that passes credit to an earlier one, without autograd. If the forward
        weight itself is returned, it is copied.
        """
        return None

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw a feedback weight for every segment that passes credit on."""
        super().attach(network, generator)
        drawn: dict[str, Tensor] = {}
        # A feedback weight made from the forward weight would carry its graph along, and fail in the second step.
        with torch.no_grad():
            for name in network.credit_senders:
                weight = self.draw_feedback(network.maps[name], generator)
                if weight is not None:
                    drawn[name] = self._checked(name, weight)
        self.feedback = FeedbackWeights(drawn)

    def _checked(self, name: str, weight: Tensor) -> Tensor:
        """Return a drawn weight without a graph and apart from the forward weight, which the optimizer moves."""
        forward = self.network.maps[name].weight
        if weight.shape != forward.shape:
            raise ShapeError(
                f"rule '{self.name}': draw_feedback returned shape {tuple(weight.shape)} for segment '{name}', "
                f"expected its forward weight's, {tuple(forward.shape)}"
            )
        is_shared = weight.untyped_storage().data_ptr() == forward.untyped_storage().data_ptr()
        return weight.detach().clone() if is_shared else weight.detach()

    @property
    def feedback_weights(self) -> dict[str, Tensor]:
        """The current feedback weights by segment name."""
        return self.feedback.by_segment

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Segments that receive their credit through a feedback weight, directly or over several segments."""
        upstream = self.network.shapes.upstream
        reached = frozenset[str]().union(*(upstream[name] for name in self.feedback.by_segment))
        return tuple(name for name in self.network.segments if name in reached)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward and backward, with cotangents pulled back through the feedback weights.

        In a vectorized network each cotangent is one number per unit times the output error, whichever weights it was
        pulled back through; only that number is computed.
        """
        if self.network.is_vectorized:
            tape = record_vector_forward(self.network, batch)
            tape.assign(propagated_credit(tape, self.feedback.by_segment))
            return StepResult(tape.loss, tape.logits)
        with replaced_feedback(self.network.maps, self.feedback.by_segment):
            logits = self.network(batch.inputs)  # (batch, classes)
        loss = batch.criterion(logits, batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return StepResult(loss.detach(), logits.detach())
