"""Difference target propagation: learned decoders invert segments and pass targets back, corrected for their errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    NONLINEARITIES,
    Batch,
    CreditWork,
    DrawnFeedbackConfig,
    FeedbackWeights,
    LearnedFeedback,
    Network,
    NetworkShapes,
    Nonlinearity,
    RandomStream,
    Rule,
    RuleTraits,
    StepResult,
    Tape,
    hookimpl,
    normal_noise,
    record_forward,
    tunable,
)

BENCHSUITE_CONTRACT = 1


class DifferenceTargetPropagationConfig(DrawnFeedbackConfig):
    """Step size of targets, learning of decoders, and their initial weights.

    Defaults are from the authors' code for MNIST (seven tanh layers of 240), unless marked as ours. Its decoders start
    orthogonal; here they are drawn like the feedback weights of other rules.
    """

    target_step: Annotated[float, tunable()] = Field(default=0.00328, gt=0)
    """η̂: distance of the first target, as a multiple of an example's gradient. The code has 0.328 of the gradient of a
    mean over 100 examples. Credit is divided by it (our choice), so that the last hidden segment's credit is backprop's
    at any step size."""
    first_target: Literal["gradient", "decoder"] = "gradient"
    """Origin of the last hidden segment's target. ``gradient``: a step along the exact gradient of the loss there, as
    published. ``decoder``: a step at the logits and a decoder of the readout too, which needs no forward weight
    (Bartunov et al. 2018, "simplified", *recalled*)."""
    noise_standard_deviation: float = Field(default=0.36, ge=0)
    """σ of the noise on a segment's input that its decoder learns to reconstruct. With zero, the decoder learns from
    the batch itself, and only the forward pass is needed."""
    decoder_rate: float = Field(default=0.337, gt=0)
    """Learning rate of the decoders as a multiple of the protocol's. The code has 0.00501 and 0.0149."""
    decoder_activation: Literal["as_below", "identity"] = "as_below"
    """Nonlinearity of a decoder: that of the segment whose output it reconstructs, as published, or none. It is none if
    that segment ends in a norm."""


class DifferenceTargetPropagation(Rule[DifferenceTargetPropagationConfig]):
    """Targets are outputs plus the change of a decoder's output when it decodes the next segment's target.

    The decoder of segment f, g(h) = s(Vᵀh + c), is the transposed map with its own weights V and a nonlinearity s. The
    target of f's input x is x + g(target of h) - g(h) with h = f(x): the decoder's error for h cancels its error for
    the target. V and c descend ½|g(f(x̃)) - x̃|², a mean over examples of x̃ = x + noise, in the same step and with the
    same optimizer as forward weights. In the authors' code decoders and forward weights learn in alternate epochs.

    Layers between segments pass differences exactly as they pass credit: a max pool to the position of its maximum.
    In evaluation mode decoders get no gradient.
    """

    name = "difference_target_propagation"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Lee, Zhang, Fischer & Bengio 2015, arXiv:1412.7525, algorithm 1, with their code",
        forms=frozenset({"ordinary", "invertible"}),
        # With one hidden segment, all credit comes from the gradient step, as in backprop.
        min_hidden_segments=2,
        weight_transport=True,
        separate_phase=True,
        learns_feedback=True,
    )

    @classmethod
    def credit_work(cls, config: DifferenceTargetPropagationConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of targets (each decoder decodes an output and its target) and of learning decoders.

        Learning takes a segment's response to noise, its decoding, and a gradient. Without noise the forward pass
        already has the response.
        """
        *hidden, readout = [s for s in shapes.segments if shapes.upstream[s.name]]
        decoded = [*hidden, readout] if config.first_target == "decoder" else hidden
        decoder_numel = sum(s.parameters for s in decoded)
        passes = 5 if config.noise_standard_deviation else 4
        step = 0 if config.first_target == "decoder" else readout.macs
        widest = max(math.prod(s.input_shape) for s in decoded)
        return CreditWork(
            per_example=step + passes * sum(s.macs for s in decoded),
            state_numel=decoder_numel,
            workspace_numel=decoder_numel,
            workspace_numel_per_example=sum(s.units for s in shapes.segments) + 4 * widest,
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw V and create the noise stream; c starts at zero."""
        super().attach(network, generator)
        decoded = [n for n in network.credit_senders if self._from_readout or n != network.readout]
        inputs = {s.name: s.input_shape for s in network.shapes.segments}
        self.decoders = FeedbackWeights({n: self.config.draw(network.maps[n], generator) for n in decoded})
        self.offsets = FeedbackWeights(
            {n: network.maps[n].weight.detach().new_zeros(inputs[n][0], *[1] * (len(inputs[n]) - 1)) for n in decoded}
        )
        self.stream = RandomStream(generator)
        names = tuple(network.segments)
        self.below = dict(zip(names[1:], names, strict=False))

    @property
    def _from_readout(self) -> bool:
        return self.config.first_target == "decoder"

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @property
    def feedback_weights(self) -> dict[str, Tensor]:
        """The current V of every decoder."""
        return self.decoders.by_segment

    @property
    def learned_feedback(self) -> tuple[LearnedFeedback, ...]:
        """V and c of every decoder, with their rates."""
        weights = (*self.decoders.by_segment.values(), *self.offsets.by_segment.values())
        return tuple(LearnedFeedback(weight, self.config.decoder_rate) for weight in weights)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Compute targets from the last hidden segment backwards; in training, compute decoder gradients too."""
        tape = record_forward(self.network, batch, keep_links=True)
        with torch.no_grad():
            share = 1 / (self.config.target_step * len(batch.targets))
            differences = self._descend(tape, batch)
            tape.assign({name: value * share for name, value in differences if name != self.network.readout})
            if self.training:
                self._train_decoders(tape, batch)
        return StepResult(tape.loss, tape.logits)

    @torch.no_grad()
    def target_differences(self, batch: Batch) -> dict[str, Tensor]:
        """Return output minus target of every segment with a target: of the readout only if it has a decoder."""
        return dict(self._descend(record_forward(self.network, batch, keep_links=True), batch))

    def _descend(self, tape: Tape, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield (segment, output minus target), from the last segment with a target backwards."""
        above, output = self.network.readout, tape.outputs[self.network.readout].detach()
        difference = self.network.encode_error(tape.error) * (self.config.target_step * len(batch.targets))
        if self._from_readout:
            yield above, difference
        else:
            segment, inputs = self.network.segments[above], tape.inputs[above]
            at_map = segment.pull_back_to_map(difference, self._wide(output))
            pulled = segment.map.pull_back(at_map, segment.map.weight, inputs.shape)
            above, difference = self.below[above], self._wide(tape.pull_back_between(above, pulled))
            yield above, difference
        while above in self.decoders.by_segment:
            output, inputs = self._wide(tape.outputs[above].detach()), tape.inputs[above]
            decoded, of_target = (self._decode(above, h, inputs.shape)[1] for h in (output, output - difference))
            moved = tape.pull_back_between(above, decoded - of_target)
            above, difference = self.below[above], self._wide(moved)
            yield above, difference

    def _decode(self, name: str, output: Tensor, input_shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Return the decoding of a segment's output, before and after the decoder's nonlinearity."""
        values = self.network.maps[name].pull_back(output, self.decoders.by_segment[name], input_shape)
        values = values + self.offsets.by_segment[name]
        return values, self._nonlinearity(name).apply(values)

    def _nonlinearity(self, name: str) -> Nonlinearity:
        below = self.network.segments[self.below[name]]
        norm_is_last = below.norm is not None and below.norm_order == "activation_first"
        if norm_is_last or self.config.decoder_activation == "identity":
            return NONLINEARITIES["identity"]
        return below.nonlinearity

    def _train_decoders(self, tape: Tape, batch: Batch) -> None:
        """Set the gradients of V and c."""
        for name, decoder in self.decoders.by_segment.items():
            inputs, response = self._noisy(name, tape, batch)
            values, decoded = self._decode(name, response, inputs.shape)
            error = (decoded - inputs) / len(inputs)
            at_map = _through(self._nonlinearity(name), error, values, decoded)
            # The weight gradient of the transposed map: input and output are swapped.
            decoder.grad = self.network.maps[name].weight_gradient(at_map, response)
            offset = self.offsets.by_segment[name]
            offset.grad = at_map.sum((0, *range(2, at_map.dim()))).view_as(offset)

    def _noisy(self, name: str, tape: Tape, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return a segment's noisy input and its response."""
        inputs, sd = self._wide(tape.inputs[name]), self.config.noise_standard_deviation
        if not sd:
            return inputs, self._wide(tape.outputs[name].detach())
        noisy = normal_noise(inputs.shape, inputs, self.stream.on(inputs.device), batch).mul_(sd).add_(inputs)
        with self.network.untracked(), self.network.autocast():
            response: Tensor = self.network.segments[name](noisy)
        return noisy, self._wide(response)

    def _wide(self, values: Tensor) -> Tensor:
        """Return values in the weights' dtype."""
        return values.to(next(self.network.parameters()).dtype)


def _through(nonlinearity: Nonlinearity, cotangent: Tensor, values: Tensor, output: Tensor) -> Tensor:
    """Return the cotangent before a nonlinearity for a cotangent after it."""
    if nonlinearity.pull_back is not None:
        return nonlinearity.pull_back(cotangent, output)
    with torch.enable_grad():
        leaf = values.detach().requires_grad_()
        (pulled,) = torch.autograd.grad(nonlinearity.apply(leaf), leaf, cotangent)
    return pulled


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [DifferenceTargetPropagation]
