"""Leaky direct feedback alignment: only maps are replaced, so projected errors also add up along skip connections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor, nn
from torch.autograd import Function

from benchsuite.plugin import (
    Batch,
    CreditWork,
    FeedbackWeights,
    IncompatibleError,
    Network,
    NetworkShapes,
    Rule,
    RuleTraits,
    Segment,
    SegmentShapes,
    StepResult,
    hookimpl,
)
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment, DirectFeedbackAlignmentConfig

BENCHSUITE_CONTRACT = 1


class LeakyDirectFeedbackAlignmentConfig(DirectFeedbackAlignmentConfig):
    """Feedback through which the output error reaches the input of a map."""

    feedback: Literal["matrix", "kernel"] = "matrix"
    """``matrix``: through a matrix with a column per input, drawn as the other hyperparameters say. ``kernel``: as in
    BioTorch, the error is copied to every position of the map's output and pulled back by the map's own geometry
    through random filters, one per class, which all positions share. They are Glorot-uniform in their own shape."""

    omit_default_from_hash = frozenset({"feedback"})

    @model_validator(mode="after")
    def _check_kernel_has_its_own_distribution(self) -> LeakyDirectFeedbackAlignmentConfig:
        set_too = sorted(self.model_fields_set & set(DirectFeedbackAlignmentConfig.model_fields))
        changed = [n for n in set_too if getattr(self, n) != DirectFeedbackAlignmentConfig.model_fields[n].default]
        if self.feedback == "kernel" and changed:
            raise PydanticCustomError(
                "kernel_has_its_own_distribution",
                "{given} describe the matrix and have no meaning with feedback: kernel, whose filters are "
                "Glorot-uniform; leave them out",
                {"given": ", ".join(changed)},
            )
        return self


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
    blocks. BioTorch's layers work this way, and draw their feedback as ``feedback: kernel`` does; its results labelled
    DFA are those of that setting. The default has the same leak, with larger and unstructured feedback.
    """

    Config = LeakyDirectFeedbackAlignmentConfig
    config: LeakyDirectFeedbackAlignmentConfig

    name = "leaky_direct_feedback_alignment"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="BioTorch (Sanfiz & Akrout 2021, arXiv:2108.13446), its layers of kind dfa, with feedback: kernel; by "
        "default matrices are drawn as direct_feedback_alignment draws them",
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
        senders = [s for s in shapes.segments if shapes.upstream[s.name]]
        pulled = sum(s.macs for s in senders)
        if getattr(config, "feedback", "matrix") == "kernel":
            # One filter per class in place of one per output channel.
            through = sum(s.macs / s.output_shape[0] for s in senders) * shapes.classes
            weights = sum(s.macs / math.prod(s.output_shape) for s in senders) * shapes.classes
            projection = CreditWork(per_example=through, state_numel=weights)
        else:
            projection = super().credit_work(config, shapes)
        return replace(projection, per_example=projection.per_example + pulled)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw the feedback.

        Raises:
            IncompatibleError: if filters are to be drawn for a map whose positions share none.

        """
        if self.config.feedback == "matrix":
            super().attach(network, generator)
            return
        Rule.attach(self, network, generator)
        senders = [s for s in network.shapes.segments if network.shapes.upstream[s.name]]
        strange = [s.name for s in senders if not _is_shared(s, network.maps[s.name].weight)]
        if strange:
            names = ", ".join(strange)
            raise IncompatibleError(
                self.name, [f"feedback: kernel needs one filter per channel over all input channels; {names} has none"]
            )
        drawn = {s.name: _glorot(network.classes, network.maps[s.name].weight, generator) for s in senders}
        self.filters = FeedbackWeights(drawn)
        self.places = {s.name: s.output_shape[1:] for s in senders}

    def _projected(self, error: Tensor, received: dict[str, torch.Size]) -> dict[str, Tensor]:
        """Return the projected error at the input of each map that passes credit on, from their shapes."""
        if self.config.feedback == "matrix":
            projected = error @ self.feedback_weight  # (batch, columns)
            return {name: projected[:, self.columns[name]] for name in received}
        pulled = {}
        for name, shape in received.items():
            places = self.places[name]
            copied = error.view(*error.shape, *[1] * len(places)).expand(*error.shape, *places)  # (batch, classes, ...)
            weight = self.filters.by_segment[name].to(error.dtype)
            pulled[name] = self.network.maps[name].pull_back(copied, weight, shape)
        return pulled

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward, then backward with the cotangent at every map's input replaced."""
        projections: dict[str, _Projection] = {}
        shapes: dict[str, torch.Size] = {}

        def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
            if isinstance(node, Segment) and received[0].requires_grad:
                projections[name], shapes[name] = _Projection(), received[0].shape
                received = (_Replace.apply(received[0], projections[name]),)
            output: Tensor = node(*received)
            return output

        with self.network.autocast():
            values = self.network.walk(batch.inputs, visit)
        logits = self.network.decode(self.network.widen(values))
        loss, error = batch.criterion.loss_and_error(logits.detach(), batch.targets)
        with torch.no_grad():
            for name, credit in self._projected(error, shapes).items():
                projections[name].credit = credit
        torch.autograd.backward([logits], [error])
        return StepResult(loss.detach(), logits.detach())


def _is_shared(segment: SegmentShapes, weight: Tensor) -> bool:
    """Return True if a map has one filter per output channel, over all channels of its input."""
    return tuple(weight.shape[:2]) == (segment.output_shape[0], segment.input_shape[0])


def _glorot(classes: int, weight: Tensor, generator: Generator) -> Tensor:
    """Return one filter per class in the shape of a map's own, Glorot-uniform."""
    filters = torch.empty(classes, *weight.shape[1:], dtype=weight.dtype)  # (classes, input channels, ...)
    area = math.prod(weight.shape[2:])
    bound = (6 / ((weight.shape[1] + classes) * area)) ** 0.5
    return filters.uniform_(-bound, bound, generator=generator)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [LeakyDirectFeedbackAlignment]
