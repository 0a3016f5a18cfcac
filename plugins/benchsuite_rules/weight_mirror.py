"""Weight mirrors: feedback weights learn the forward weights from noise, in a phase of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor

from benchsuite.credit import Distribution, DrawnFeedbackConfig, FeedbackWeights, RandomStream, ReplacedFeedbackRule
from benchsuite.credit.rule import CreditWork, Rule, RuleTraits
from benchsuite.networks.maps import LinearMap
from benchsuite.networks.network import Network
from benchsuite.networks.segments import ProbeNorm
from benchsuite.networks.shapes.outline import ArchitectureOutline
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1

AUTHORS: dict[str, Any] = {
    "distribution": "normal",
    "scale": "root_fan_sum",
    "noise": "uniform",
    "noise_standard_deviation": 0.05 / 3**0.5,
    "mirror_rate": 0.01,
    "reduction": "sum",
    "center_response": False,
    "readout_response": "sigmoid",
    "norm_control": "none",
    "initial_mirror_steps": 468,
}
"""What Akrout et al.'s NumPy code does, where it differs from the defaults."""


class WeightMirrorConfig(DrawnFeedbackConfig):
    """Mirror mode, and how feedback weights are drawn before it; a field not given is the preset's."""

    preset: Literal["corrected", "authors"] = "corrected"
    """``corrected`` is the paper's rule with its norm control, the defaults below. ``authors`` is what the authors'
    NumPy code does: B and W start from N(0, 1 / (inputs + units)); noise U[-0.05, 0.05); B grows by 0.01 times the sum
    over 128 samples, without end, since its norm control has no effect; 468 mirror batches (MNIST's 60,000 / 128;
    CIFAR-10's are 390) come first. Its learning rate of 0.05 belongs to that growth."""
    noise: Distribution = "normal"
    """Mean zero, independent for every number of the segment's input. Normal noise makes the mean of (noise ·
    response) an exact multiple of each unit's weights whatever the nonlinearity (Stein's lemma), so it need not be
    small."""
    noise_standard_deviation: float = Field(default=1.0, gt=0)
    """σ. A rectifier without bias has no scale; with one, larger noise drowns the bias; sigmoids saturate beyond 1 or
    so."""
    mirror_rate: float = Field(default=0.01, gt=0)
    """η_B."""
    reduction: Literal["sum", "mean"] = "mean"
    """What is made of the products of noise and response that one weight connects, over all samples and, where a weight
    is used at several places, over these: their mean (ours: B's size then depends on neither batch nor image) or their
    sum, as the authors' code has it."""
    mirror_batch_size: int = Field(default=128, gt=0)
    """Samples of noise in one mirror batch."""
    mirror_steps: int = Field(default=1, gt=0)
    """Mirror batches after each engaged step."""
    initial_mirror_steps: int = Field(default=300, ge=0)
    """Mirror batches before training: after 300, at the default λ, a twentieth of B's random start is left,
    (1 - λ)^300. Without them the first updates go astray, and Adam in particular does not make that good soon."""
    center_response: bool = True
    """Subtract each unit's mean over the mirror batch: the expected growth keeps its direction (times 1 - 1 / samples),
    its variance shrinks (ours, after Kunin et al.'s code)."""
    bias_blocking: bool = False
    """Leave biases out in mirror mode (eq. 12). The paper's tests have them in."""
    batch_norm: ProbeNorm = "bypass"
    """What becomes of batch norm in mirror mode, on which the paper is silent. Left out: B mirrors the map's weight
    alone, and credit passes through the norm exactly on its way. Or by the noise's own statistics: each unit's row of B
    is then scaled by what the norm makes of it. Running averages never change."""
    readout_response: Literal["logits", "sigmoid"] = "logits"
    """The output units' response: networks here end in logits, the authors' in sigmoid units."""
    norm_control: Literal["none", "decay", "scaling"] = "decay"
    """What keeps B from growing. Decay: B ← (1 - λ)B before each growth, and B settles at (η_B σ² / λ) times the mean
    slope of the nonlinearity times W, following W's size. Scaling: after each mirror batch B is multiplied back to the
    size it was drawn with, sd √(number of weights): synaptic scaling with one factor for a segment. The authors' code
    means to hold the spread of B's output at 0.5 for inputs U[0, 1) and has no effect; that size would depend on the
    inputs chosen, this one does not."""
    decay: float | None = Field(default=0.01, gt=0, le=1)
    """λ, for ``norm_control: decay`` only. Equal to η_B σ², the default, B settles at the mean slope times W. B is then
    an average over the last 1 / λ mirror batches."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        """Let what is resolved be explicit: a preset is read once, here."""
        if not isinstance(given, Mapping):
            return given
        filled = {**(AUTHORS if given.get("preset") == "authors" else {}), **given}
        if any(name in given for name in ("standard_deviation", "half_width")):
            filled = {name: value for name, value in filled.items() if name != "scale" or name in given}
        if filled.get("norm_control", "decay") != "decay":
            filled.setdefault("decay", None)
        return filled

    @model_validator(mode="after")
    def _can_mirror(self) -> WeightMirrorConfig:
        if (self.decay is None) == (self.norm_control == "decay"):
            raise PydanticCustomError(
                "decay",
                "norm_control: decay needs a decay above zero"
                if self.decay is None
                else "decay is for norm_control: decay only, which is '{control}'; leave one of the two out",
                {"control": self.norm_control},
            )
        if self.center_response and self.mirror_batch_size == 1:
            raise PydanticCustomError(
                "nothing_left",
                "a response less its mean over one sample is zero; use a larger mirror_batch_size, or "
                "center_response: false",
            )
        return self


class WeightMirror(ReplacedFeedbackRule[WeightMirrorConfig]):
    """Backpropagation through feedback weights that grow by the correlation of a segment's response with noise.

    After each engaged step, layer by layer: y is noise at the segment's input, φ(Wy + b) its response, and ΔB = η_B
    times what the map's weight gradient makes of the two. For independent noise of variance σ² its mean is η_B σ²
    E[φ'] W: a multiple of W in the shape of W, for a dense map, a convolution or any other.

    How well B points along W is a matter of samples: the mean of n samples is off by an angle whose squared tangent is
    about c · fan_in / n (n counting places where weights are shared), c near 1 for a linear segment, 1.4 for a
    rectifier and 2 for one not centred. That is the angle to E[φ'] W: biases that differ between units, unless blocked,
    let E[φ'] differ too, and B turns by that.

    A weight that sees nothing but padding is never mirrored, and of no effect.
    """

    name = "weight_mirror"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Akrout et al. 2019, arXiv:1904.05391, eq. 5-12",
        forms=frozenset({"ordinary", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
        separate_phase=True,
    )

    @classmethod
    def credit_work(cls, config: WeightMirrorConfig, outline: ArchitectureOutline) -> CreditWork:
        """Return the work of credit and of mirroring: a response and a weight gradient for each sample of noise.

        What is mirrored before training is left out.
        """
        credit = super().credit_work(config, outline)
        mirrored = 2 * config.mirror_steps * config.mirror_batch_size * credit.per_example
        return replace(credit, per_step=mirrored, held=credit.kept)

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's feedback weight at the start, independent of its weight."""
        return self.config.draw(linear_map, generator)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw B, then the seed of the noise."""
        super().attach(network, generator)
        self.stream = RandomStream(generator)
        self.input_shapes = {segment.name: segment.input_shape for segment in network.outline.segments}
        self.sizes = {
            name: self.config.standard_deviation_of(network.maps[name]) * weight.numel() ** 0.5
            for name, weight in self.feedback.by_segment.items()
        }
        shares = {name: self._share(name) for name in self.feedback.by_segment}
        self.shares = FeedbackWeights(shares, persistent=False)

    def before_training(self) -> None:
        """Mirror what the weights are at the start."""
        for _ in range(self.config.initial_mirror_steps):
            self.mirror()

    def after_update(self) -> None:
        """Mirror what the weights have become."""
        for _ in range(self.config.mirror_steps):
            self.mirror()

    @torch.no_grad()
    def mirror(self) -> None:
        """Carry one mirror batch through each segment that has a feedback weight, in forward order."""
        config, shares = self.config, self.shares.by_segment
        for name, feedback_weight in self.feedback.by_segment.items():
            growth = self._correlation(name).to(feedback_weight.dtype)
            if config.decay is not None:  # just where norm_control is decay
                feedback_weight.mul_(1 - config.decay)
            feedback_weight.addcmul_(growth, shares[name], value=config.mirror_rate)
            if config.norm_control == "scaling":
                feedback_weight.mul_(self.sizes[name] / torch.linalg.vector_norm(feedback_weight))

    def _correlation(self, name: str) -> Tensor:
        """Return the sum of the products of noise and response that each weight connects."""
        config, segment = self.config, self.network.segments[name]
        noise = self._noise(name, segment.map.weight)
        with self.network.autocast():
            response = segment.probe(noise, with_bias=not config.bias_blocking, norm=config.batch_norm)
        if config.readout_response == "sigmoid" and name == self.network.readout:
            response = response.sigmoid()
        if config.center_response:
            response = response - response.mean(0)
        return segment.map.weight_gradient(noise.to(response.dtype), response)

    def _noise(self, name: str, weight: Tensor) -> Tensor:
        config, generator = self.config, self.stream.on(weight.device)
        noise = weight.new_empty(config.mirror_batch_size, *self.input_shapes[name])
        if config.noise == "normal":
            return noise.normal_(0.0, config.noise_standard_deviation, generator=generator)
        half_width = config.noise_standard_deviation * 3**0.5
        return noise.uniform_(-half_width, half_width, generator=generator)

    def _share(self, name: str) -> Tensor:
        """Return what a product counts in the growth of each weight, in a shape that broadcasts to the weight's.

        For the mean it is one over the number of products. A weight that is used at several places has as many in each
        sample, fewer where some of these places see padding.
        """
        weight = self.feedback.by_segment[name]
        if self.config.reduction == "sum":
            return weight.new_ones(())
        segment = next(s for s in self.network.outline.segments if s.name == name)
        at_input, at_output = weight.new_ones(1, *segment.input_shape), weight.new_ones(1, *segment.output_shape)
        products = self.network.maps[name].weight_gradient(at_input, at_output)
        for axis in range(products.dim()):
            first = products.narrow(axis, 0, 1)
            if bool((products == first).all()):
                products = first
        # No product at all: the growth is zero whatever it is divided by.
        return products.clamp(min=1).mul(self.config.mirror_batch_size).reciprocal()


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [WeightMirror]
