"""Leaky direct feedback alignment: only maps are replaced, so projected errors also add up along skip connections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from benchsuite.plugin import Batch, CreditWork, NetworkShapes, Rule, RuleTraits, Segment, StepResult, hookimpl
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment, DirectFeedbackAlignmentConfig

BENCHSUITE_CONTRACT = 1


@dataclass
class _Projection:
    """The cotangent that one map passes back instead of its own; set when the error is known."""

    credit: Tensor | None = None


class _Replace(Function):
    """Identity forward; backward, a projected error replaces the incoming cotangent."""

    @staticmethod
    def forward(context: Any, inputs: Tensor, projection: _Projection) -> Tensor:
        context.projection = projection
        return inputs.view_as(inputs)

    @staticmethod
    def backward(context: Any, cotangent: Tensor) -> tuple[Tensor, None]:
        projection = context.projection
        assert isinstance(projection, _Projection)  # noqa: S101 - set by forward
        assert projection.credit is not None  # noqa: S101 - set before the backward pass
        return projection.credit.reshape(cotangent.shape).to(cotangent.dtype), None


class LeakyDirectFeedbackAlignment(DirectFeedbackAlignment):
    """Autograd as usual, but each map passes the projected output error to its input instead of its own cotangent.

    In a chain without pooling this is direct feedback alignment. In a residual network it is not: a sum passes its
    cotangent to all its terms, so a segment gets its reader's projection and, along the skips, those of all later
    blocks. BioTorch's layers work this way, so its results labelled DFA are those of this rule.
    """

    name = "leaky_direct_feedback_alignment"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="BioTorch (Sanfiz & Akrout 2021, arXiv:2108.13446), its layers of kind dfa; the matrices are drawn as "
        "direct_feedback_alignment draws them",
        min_hidden_segments=1,
        topologies=frozenset({"chain", "residual"}),
    )

    @classmethod
    def widths(cls, shapes: NetworkShapes) -> dict[str, int]:
        """Return the input size per example of each map that passes credit on."""
        return {s.name: math.prod(s.input_shape) for s in shapes.segments if shapes.upstream[s.name]}

    @classmethod
    def credit_work(cls, config: DirectFeedbackAlignmentConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the projection and of the cotangents that autograd computes before they are replaced."""
        projection = super().credit_work(config, shapes)
        pulled = sum(s.macs for s in shapes.segments if shapes.upstream[s.name])
        return replace(projection, per_example=projection.per_example + pulled)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward, then backward with the cotangent at every map's input replaced."""
        projections = {name: _Projection() for name in self.columns}

        def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
            if isinstance(node, Segment) and name in projections and received[0].requires_grad:
                received = (_Replace.apply(received[0], projections[name]),)
            output: Tensor = node(*received)
            return output

        with self.network.autocast():
            values = self.network.walk(batch.inputs, visit)
        logits = self.network.decode(self.network.widen(values))
        loss, error = batch.criterion.loss_and_error(logits.detach(), batch.targets)
        projected = error @ self.feedback_weight  # (batch, columns)
        for name, columns in self.columns.items():
            projections[name].credit = projected[:, columns]
        torch.autograd.backward([logits], [error])
        return StepResult(loss.detach(), logits.detach())


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [LeakyDirectFeedbackAlignment]
