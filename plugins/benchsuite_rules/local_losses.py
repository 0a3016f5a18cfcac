"""Local losses: every hidden segment learns from losses of its own, through a small network of one layer each."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    ParameterGroup,
    Rule,
    RuleConfig,
    RuleTraits,
    SegmentShapes,
    StepResult,
    hookimpl,
    record_forward,
    tunable,
)

BENCHSUITE_CONTRACT = 2


class LocalLossesConfig(RuleConfig):
    """Choice of the local losses, and size of the local classifiers."""

    loss: Literal["pred", "sim", "predsim"] = "predsim"
    """``pred``: the protocol's loss of a local linear classifier. ``sim``: squared difference between the similarities
    of the examples' activities and of their labels. ``predsim``: both."""
    similarity_weight: Annotated[float, tunable(0.5, 0.999, log=False)] = Field(default=0.99, gt=0, lt=1)
    """β: weight of ``sim`` in ``predsim``; that of ``pred`` is 1 - β."""
    classifier_inputs: int = Field(default=2048, gt=0)
    """Greatest number of inputs of a local classifier: images are averaged over windows until they have no more. The
    default is that of the paper's VGG8B, *recalled*; a dense segment is never averaged."""


class LocalLosses(Rule[LocalLossesConfig]):
    """Train each hidden segment on local losses alone; no gradient passes from one segment to another.

    The prediction loss is the protocol's loss (in the paper cross-entropy) of a linear classifier on the segment's
    output h. The similarity loss is the mean over all pairs of examples of (S(g(h)) - S(Y))², where S is the cosine
    similarity of centred vectors, Y the one-hot labels, and g a linear map of the rule's own: dense for units; a 3 × 3
    convolution for images, of which each channel's standard deviation over positions is compared. Classifiers and maps
    learn in the same step, from the protocol's optimizer. The readout learns from the output error.

    Both losses are taken at the segment's output, after norm and nonlinearity, before pooling and dropout. Under
    several processes the similarities are those of the whole batch.

    Differences from the paper: heads start from torch's default distribution, drawn from the feedback stream. Windows
    are square powers of two until the height is used up, and those at the edge average what there is. Under a binary
    code the number of bits stands for that of classes in S(Y).
    """

    name = "local_losses"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Nøkland & Eidnes 2019, arXiv:1901.06656",
        topologies=frozenset({"chain", "residual"}),
        min_hidden_segments=1,
        has_credit=False,
        own_parameters=True,
    )

    @classmethod
    def credit_work(cls, config: LocalLossesConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the heads: forward, weights' gradients and the gradient at the segment's output."""
        macs = numel = units = compared = 0
        for segment in shapes.segments[:-1]:
            units += segment.units
            if config.loss != "sim":
                inputs = math.prod(_pooled_shape(segment, config.classifier_inputs))
                macs += inputs * shapes.classes
                numel += (inputs + 1) * shapes.classes
            if config.loss != "pred":
                weights = segment.output_shape[0] ** 2 * (9 if _is_image(segment) else 1)
                macs += weights * segment.places
                numel += weights
                compared += segment.output_shape[0]
        return CreditWork(
            per_example=3 * macs,
            per_pair=2 * compared,
            own_parameters=numel,
            workspace_numel=numel,
            workspace_numel_per_example=3 * units,
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw a classifier and a similarity map per hidden segment, as far as the losses need them."""
        super().attach(network, generator)
        dtype = next(network.parameters()).dtype
        self.classifiers = nn.ModuleDict()
        self.similarity_maps = nn.ModuleDict()
        self.windows: dict[str, tuple[int, int]] = {}
        for segment in network.shapes.segments[:-1]:
            if self.config.loss != "sim":
                self.windows[segment.name] = _window(segment, self.config.classifier_inputs)
                inputs = math.prod(_pooled_shape(segment, self.config.classifier_inputs))
                classifier = nn.Linear(inputs, network.classes, dtype=dtype, device="meta")
                self.classifiers[segment.name] = _drawn(classifier, generator)
            if self.config.loss != "pred":
                channels = segment.output_shape[0]
                kept: nn.Linear | nn.Conv2d
                if _is_image(segment):
                    kept = nn.Conv2d(channels, channels, 3, padding=1, bias=False, dtype=dtype, device="meta")
                else:
                    kept = nn.Linear(channels, channels, bias=False, dtype=dtype, device="meta")
                self.similarity_maps[segment.name] = _drawn(kept, generator)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @property
    def trained_parameters(self) -> Iterator[ParameterGroup]:
        """Classifiers and similarity maps, at the protocol's rate."""
        for name, heads in (("local classifiers", self.classifiers), ("similarity maps", self.similarity_maps)):
            if heads:
                yield ParameterGroup(name, list(heads.parameters()))

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign each hidden segment the gradient of its losses; in training, leave the heads' gradients too."""
        tape = record_forward(self.network, batch)
        credit = {}
        for name in self.network.hidden:
            output = tape.outputs[name].detach().to(tape.error.dtype).requires_grad_()
            with torch.enable_grad():
                loss = self.local_loss(name, output, batch)
            heads = [
                p for kind in (self.classifiers, self.similarity_maps) if name in kind for p in kind[name].parameters()
            ]
            trained = heads if self.training else []
            credit[name], *gradients = torch.autograd.grad(loss, [output, *trained])
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient
        tape.assign(credit)
        return StepResult(tape.loss, tape.logits)

    def local_loss(self, name: str, output: Tensor, batch: Batch) -> Tensor:
        """Return a number whose gradient is that of a segment's loss; with ``sim`` it is not the loss itself."""
        if self.config.loss == "pred":
            return self._prediction_loss(name, output, batch)
        similarity = self._similarity_loss(name, output, batch)
        if self.config.loss == "sim":
            return similarity
        share = self.config.similarity_weight
        return (1 - share) * self._prediction_loss(name, output, batch) + share * similarity

    def _prediction_loss(self, name: str, output: Tensor, batch: Batch) -> Tensor:
        window = self.windows[name]
        pooled = output if window == (1, 1) else F.avg_pool2d(output, window, ceil_mode=True)
        with self.network.autocast():
            logits = self.classifiers[name](pooled.flatten(1))  # (batch, classes)
        return batch.criterion(logits.to(output.dtype), batch.targets)

    def _similarity_loss(self, name: str, output: Tensor, batch: Batch) -> Tensor:
        with self.network.autocast():
            mapped = self.similarity_maps[name](output).to(output.dtype)
        vectors = mapped.flatten(2).std(2) if mapped.dim() > 2 and mapped[0, 0].numel() > 1 else mapped.flatten(1)
        centred = F.normalize(vectors - vectors.mean(1, keepdim=True), eps=1e-8)  # (batch, units or channels)
        # The similarity matrix is symmetric: with the other side held, its gradient is half that of the whole.
        others, labels = batch.gathered(centred.detach()), batch.gathered(batch.targets)
        apart = 1 / max(self.network.classes - 1, 1)  # minus the similarity of two classes' centred one-hot vectors
        same = (batch.targets.unsqueeze(1) == labels).to(centred.dtype)  # (batch, whole batch)
        wanted = same * (1 + apart) - apart
        return 2 * F.mse_loss(centred @ others.t(), wanted)


def _is_image(segment: SegmentShapes) -> bool:
    return len(segment.output_shape) == 3


def _window(segment: SegmentShapes, most: int) -> tuple[int, int]:
    """Return height and width of the windows that leave at most so many inputs, or one window for the image."""
    if not _is_image(segment):
        return 1, 1
    channels, height, width = segment.output_shape
    high = wide = 1
    while channels * math.ceil(height / high) * math.ceil(width / wide) > most and (high < height or wide < width):
        high = min(2 * high, height)
        if channels * math.ceil(height / high) * math.ceil(width / wide) > most:
            wide = min(2 * wide, width)
    return high, wide


def _pooled_shape(segment: SegmentShapes, most: int) -> tuple[int, ...]:
    """Return the shape of a segment's output as its classifier reads it."""
    if not _is_image(segment):
        return tuple(segment.output_shape)
    channels, height, width = segment.output_shape
    high, wide = _window(segment, most)
    return channels, math.ceil(height / high), math.ceil(width / wide)


@torch.no_grad()
def _drawn(head: nn.Linear | nn.Conv2d, generator: Generator) -> nn.Linear | nn.Conv2d:
    """Draw a head's parameters from U[-1/√inputs, 1/√inputs), torch's default but for the stream.

    The head comes without storage, so that making it draws nothing from torch's global stream.
    """
    head.to_empty(device="cpu")
    bound = head.weight[0].numel() ** -0.5
    for parameter in head.parameters():
        parameter.uniform_(-bound, bound, generator=generator)
    return head


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [LocalLosses]
