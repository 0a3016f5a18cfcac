"""Forward-forward: each segment tells inputs with their own label from inputs with a wrong one."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    Phase,
    RandomStream,
    Rule,
    RuleConfig,
    RuleTraits,
    Segment,
    StepResult,
    hookimpl,
    tunable,
    wrong_labels,
)

BENCHSUITE_CONTRACT = 2


class ForwardForwardConfig(RuleConfig):
    """Threshold of goodness, size of the label in the input, and what predicts."""

    threshold: Annotated[float, tunable()] = Field(default=1.0, gt=0)
    """θ: goodness above which an input counts as real. One for the mean of squares is the number of units for their
    sum, as in Hinton's code (*recalled*)."""
    label_size: Annotated[float, tunable()] = Field(default=3.0, gt=0)
    """Value of the label's input; the inputs of the other labels are zero. The paper has the largest pixel value, which
    in MNIST is three times the root of the mean square."""
    readout: Literal["goodness", "softmax"] = "goodness"
    """Source of predictions. ``goodness``: the label with the most goodness, one pass per label; the network's readout
    is left alone. ``softmax``: the network's readout, which learns from activities under a neutral label, by the
    protocol's loss."""


class ForwardForward(Rule[ForwardForwardConfig]):
    """Hidden segments descend softplus(θ - g) for inputs with their label and softplus(g - θ) for a wrong label.

    Goodness g is the mean of a segment's squared outputs. The label is written into the first ``classes`` inputs, as
    one of them. Each segment gets its input divided by the root of its mean square, so that the goodness below does not
    tell it the answer. Nothing passes back between segments. Wrong labels are drawn evenly, anew in each step.
    Goodness of all hidden segments but the first is summed for a prediction, or of the only one there is.

    What differs from Hinton 2022: goodness is a mean instead of a sum, so that one θ suits all widths; all segments
    learn at once; the readout of ``softmax`` sees the last hidden segment alone. A convolution sees the label only
    near the inputs that hold it. A training step reports the goodness of the two labels tried; other labels get
    the lower of the two, so its training error is how often the wrong one has more.
    """

    name = "forward_forward"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Hinton 2022, arXiv:2212.13345, section 3.3",
        min_hidden_segments=1,
        # Each label is one input; a code of bits has no place for it.
        losses=frozenset({"binary_cross_entropy", "cross_entropy", "one_versus_all_hinge", "squared_error"}),
        norms=False,
        min_inputs_per_class=2,
        readout_update_is_backprop=False,
        separate_phase=True,
        own_inference=True,
        has_credit=False,
    )

    @classmethod
    def credit_work(cls, config: ForwardForwardConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of a second pass over the hidden segments, and of a third if the readout learns."""
        *hidden, readout = (segment.macs for segment in shapes.segments)
        more = 2 * sum(hidden)
        per_example = more + sum(hidden) if config.readout == "softmax" else max(0, more - 2 * readout)
        return CreditWork(per_example=per_example, workspace_numel_per_example=sum(s.units for s in shapes.segments))

    @classmethod
    def phases(cls, config: ForwardForwardConfig) -> tuple[Phase, ...]:
        """Return the passes with the label, with a wrong one, and with none."""
        both = Phase("positive", 1.0, labels=True), Phase("negative", 1.0, labels=True, fresh_data=True)
        return (*both, Phase("readout", 1.0, labels=True)) if config.readout == "softmax" else both

    def attach(self, network: Network, generator: Generator) -> None:
        """Create the stream of wrong labels."""
        super().attach(network, generator)
        self.stream = RandomStream(generator)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments."""
        return tuple(self.network.segments)

    @property
    def untrained(self) -> frozenset[str]:
        """The readout's parameters, if goodness predicts."""
        if self.config.readout == "softmax":
            return frozenset()
        return self.network.parameter_names([self.network.readout])

    def assign_credit(self, batch: Batch) -> StepResult:
        """Learn from the batch with its labels, then with wrong ones."""
        device = batch.targets.device
        generator = self.stream.on(device) if self.training else self.stream.ahead(device)
        wrong = wrong_labels(batch, self.network.classes, generator)
        with self.network.repeated():
            with self.phase("positive"):
                positive = self._learn(self._labelled(batch.inputs, batch.targets), is_real=True)
            with self.phase("negative"):
                negative = self._learn(self._labelled(batch.inputs, wrong), is_real=False)
            if self.config.readout == "softmax":
                with self.phase("readout"):
                    return self._learn_readout(batch)
        logits = torch.minimum(positive, negative).unsqueeze(1).repeat(1, self.network.classes)  # (batch, classes)
        logits.scatter_(1, batch.targets.unsqueeze(1), positive.unsqueeze(1))
        logits.scatter_(1, wrong.unsqueeze(1), negative.unsqueeze(1))
        return StepResult(batch.criterion.loss_and_error(logits, batch.targets)[0], logits)

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> Tensor:
        """Return the goodness under each label, or the readout's output under a neutral one."""
        if self.config.readout == "softmax":
            received, _ = self._run(self._neutral(inputs), learns=False)
            with self.network.autocast():
                return self.network.widen(self.network.segments[self.network.readout](received))
        labels = torch.arange(self.network.classes, device=inputs.device)
        tried = [self._labelled(inputs, label.expand(len(inputs))) for label in labels]
        return torch.stack([self._score(self._run(each, learns=False)[1]) for each in tried], dim=1)

    def _labelled(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the inputs with labels, shape (batch,), in the first of them."""
        written = inputs.new_zeros(len(inputs), self.network.classes)  # not one_hot, which reads the labels on the host
        written.scatter_(1, labels.unsqueeze(1), self.config.label_size)
        return torch.cat([written, inputs.flatten(1)[:, self.network.classes :]], dim=1).view(inputs.shape)

    def _neutral(self, inputs: Tensor) -> Tensor:
        """Return the inputs with all labels in equal parts."""
        classes = self.network.classes
        written = inputs.new_full((len(inputs), classes), self.config.label_size / classes)
        return torch.cat([written, inputs.flatten(1)[:, classes:]], dim=1).view(inputs.shape)

    def _run(self, inputs: Tensor, *, learns: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the readout's input, and each hidden segment's goodness, shape (batch,).

        If it ``learns``, the graph of a goodness covers its own segment.
        """
        goodness: dict[str, Tensor] = {}

        def visit(name: str, node: nn.Module, received: Tensor) -> Tensor:
            if not isinstance(node, Segment):
                between: Tensor = node(received)
                return between
            normalised = _normalised(self.network.widen(received))
            if name == self.network.readout:
                return normalised
            with torch.set_grad_enabled(learns):
                output: Tensor = node(normalised)
                goodness[name] = self.network.widen(output).flatten(1).square().mean(1)
            return output.detach()

        with self.network.autocast(), torch.no_grad():
            received = self.network.walk(inputs, visit)
        return received, goodness

    def _learn(self, inputs: Tensor, *, is_real: bool) -> Tensor:
        """Add the gradients of all hidden segments' own losses; return the score, shape (batch,)."""
        _, goodness = self._run(inputs, learns=True)
        with torch.enable_grad():
            above = [found - self.config.threshold for found in goodness.values()]
            losses = [F.softplus(-each if is_real else each).mean() for each in above if each.requires_grad]
            if losses:
                torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        return self._score({name: found.detach() for name, found in goodness.items()})

    def _score(self, goodness: dict[str, Tensor]) -> Tensor:
        values = list(goodness.values())
        return torch.stack(values[1:] or values).sum(0)

    @torch.no_grad()
    def _learn_readout(self, batch: Batch) -> StepResult:
        """Set the readout's gradients from activities under a neutral label."""
        received, _ = self._run(self._neutral(batch.inputs), learns=False)
        readout = self.network.segments[self.network.readout]
        with self.network.autocast():
            logits = self.network.widen(readout(received))  # (batch, classes)
        loss, error = batch.criterion.loss_and_error(logits, batch.targets)
        readout.map.add_gradients(received, error)
        return StepResult(loss, logits)


def _normalised(values: Tensor) -> Tensor:
    """Return each example's values over the root of their mean square; zeros stay zeros."""
    mean_square = values.flatten(1).square().mean(1)  # (batch,)
    size = (mean_square + torch.finfo(values.dtype).eps).sqrt()
    return values / size.view(-1, *[1] * (values.dim() - 1))


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [ForwardForward]
