"""Weight mirrors: feedback weights learn the forward weights from noise, in a separate phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor

from benchsuite.plugin import (
    CreditWork,
    Distribution,
    DrawnFeedbackConfig,
    FeedbackWeights,
    LinearMap,
    Network,
    NetworkShapes,
    ProbeNorm,
    RandomStream,
    ReplacedFeedbackRule,
    Rule,
    RuleTraits,
    hookimpl,
)

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
"""Settings of Akrout et al.'s NumPy code that differ from the defaults."""


class WeightMirrorConfig(DrawnFeedbackConfig):
    """Settings of mirror mode and of the initial feedback weights; fields not given come from the preset."""

    preset: Literal["corrected", "authors"] = "corrected"
    """``corrected`` is the paper's rule with its norm control, the defaults below. ``authors`` follows the authors'
    NumPy code: B and W start from N(0, 1 / (inputs + units)). Noise is U[-0.05, 0.05). B grows by 0.01 times the sum
    over 128 samples, without limit, since the code's norm control has no effect. 468 mirror batches (MNIST's 60,000 /
    128; 390 for CIFAR-10) come first. The code's learning rate of 0.05 suits that growth."""
    noise: Distribution = "normal"
    """Distribution of the noise, with mean zero and independent for every value of the segment's input. Under normal
    noise the mean of (noise · response) is an exact multiple of each unit's weights for any nonlinearity (Stein's
    lemma), so the noise need not be small."""
    noise_standard_deviation: float = Field(default=1.0, gt=0)
    """σ of the noise. A rectifier without bias has no scale. With a bias, larger noise makes the bias negligible.
    Sigmoids saturate beyond about 1."""
    mirror_rate: float = Field(default=0.01, gt=0)
    """η_B, the learning rate of B."""
    reduction: Literal["sum", "mean"] = "mean"
    """Reduction of the products of noise and response that one weight connects, over all samples and over all
    positions that share the weight: their mean (ours: B's size then depends on neither batch nor image size) or their
    sum (as in the authors' code)."""
    mirror_batch_size: int = Field(default=128, gt=0)
    """Noise samples per mirror batch."""
    mirror_steps: int = Field(default=1, gt=0)
    """Mirror batches after each training step (the paper's engaged mode)."""
    initial_mirror_steps: int = Field(default=300, ge=0)
    """Mirror batches before training. After 300, at the default λ, a twentieth of B's random start is left,
    (1 - λ)^300. Without them the first updates go in wrong directions, and Adam in particular recovers slowly."""
    center_response: bool = True
    """Subtract each unit's mean over the mirror batch. The expected growth keeps its direction (times 1 - 1 / samples)
    and its variance shrinks (ours, after Kunin et al.'s code)."""
    bias_blocking: bool = False
    """Leave biases out in mirror mode (eq. 12). The paper's tests include them."""
    batch_norm: ProbeNorm = "bypass"
    """Batch norm in mirror mode, which the paper does not mention. ``bypass``: B mirrors the map's weight only, and
    credit passes exactly through the norm. ``batch_statistics``: the norm uses the statistics of the noise batch, which
    scales each unit's row of B. Running averages never change."""
    readout_response: Literal["logits", "sigmoid"] = "logits"
    """Response of the output units: networks here end in logits, the authors' in sigmoid units."""
    norm_control: Literal["none", "decay", "scaling"] = "decay"
    """Limit on the growth of B. ``decay``: B ← (1 - λ)B before each growth; B converges to (η_B σ² / λ) times the mean
    slope of the nonlinearity times W, and so follows W's size. ``scaling``: after each mirror batch B is rescaled to
    its initial size, sd √(number of weights): synaptic scaling with one factor per segment. The authors' code tries to
    keep the spread of B's output at 0.5 for inputs U[0, 1), without effect; that size would depend on the chosen
    inputs, this one does not."""
    decay: float | None = Field(default=0.01, gt=0, le=1)
    """λ, for ``norm_control: decay`` only. With the default, λ = η_B σ², B converges to the mean slope times W. B is
    then an average over the last 1 / λ mirror batches."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        """Fill in the preset's values, so that the resolved config is explicit."""
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

    After each training step, layer by layer: y is noise at the segment's input, φ(Wy + b) its response, and ΔB is η_B
    times the map's weight gradient for the two. For independent noise of variance σ² its mean is η_B σ² E[φ'] W: a
    multiple of W in the shape of W, for a dense map, a convolution or any other map.

    The direction of B depends on the number of samples. The mean of n samples deviates by an angle whose squared
    tangent is about c · fan_in / n (n counts all positions of shared weights), with c near 1 for a linear segment, 1.4
    for a rectifier and 2 without centring. That is the angle to E[φ'] W: unless biases are blocked, different biases
    make E[φ'] differ between units, which turns B away from W.

    A weight that sees only padding is never mirrored and has no effect.
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
    def credit_work(cls, config: WeightMirrorConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of credit and of mirroring: a response and a weight gradient per noise sample.

        Mirror batches before training are not counted.
        """
        credit = super().credit_work(config, shapes)
        mirrored = 2 * config.mirror_steps * config.mirror_batch_size * credit.per_example
        return replace(credit, per_step=mirrored, workspace_numel=credit.state_numel)

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's initial feedback weight, independent of its forward weight."""
        return self.config.draw(linear_map, generator)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw B, then the seed of the noise stream."""
        super().attach(network, generator)
        self.stream = RandomStream(generator)
        self.input_shapes = {segment.name: segment.input_shape for segment in network.shapes.segments}
        self.sizes = {
            name: self.config.standard_deviation_of(network.maps[name]) * weight.numel() ** 0.5
            for name, weight in self.feedback.by_segment.items()
        }
        shares = {name: self._share(name) for name in self.feedback.by_segment}
        self.shares = FeedbackWeights(shares, persistent=False)

    def before_training(self) -> None:
        """Mirror the initial weights."""
        for _ in range(self.config.initial_mirror_steps):
            self.mirror()

    def after_update(self) -> None:
        """Mirror the updated weights."""
        for _ in range(self.config.mirror_steps):
            self.mirror()

    @torch.no_grad()
    def mirror(self) -> None:
        """Run one mirror batch through each segment with a feedback weight, in forward order."""
        config, shares = self.config, self.shares.by_segment
        for name, feedback_weight in self.feedback.by_segment.items():
            growth = self._correlation(name).to(feedback_weight.dtype)
            if config.decay is not None:  # just where norm_control is decay
                feedback_weight.mul_(1 - config.decay)
            feedback_weight.addcmul_(growth, shares[name], value=config.mirror_rate)
            if config.norm_control == "scaling":
                feedback_weight.mul_(self.sizes[name] / torch.linalg.vector_norm(feedback_weight))

    def _correlation(self, name: str) -> Tensor:
        """Return the sum of the products of noise and response that each weight connects, shape of the weight."""
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
        noise = weight.new_empty(config.mirror_batch_size, *self.input_shapes[name])  # (samples, *input shape)
        if config.noise == "normal":
            return noise.normal_(0.0, config.noise_standard_deviation, generator=generator)
        half_width = config.noise_standard_deviation * 3**0.5
        return noise.uniform_(-half_width, half_width, generator=generator)

    def _share(self, name: str) -> Tensor:
        """Return the factor on the sum of products for each weight, in a shape that broadcasts to the weight's.

        For the mean it is one over the number of products. A shared weight has one product per position in each sample,
        fewer if some positions see padding.
        """
        weight = self.feedback.by_segment[name]
        if self.config.reduction == "sum":
            return weight.new_ones(())
        segment = next(s for s in self.network.shapes.segments if s.name == name)
        at_input, at_output = weight.new_ones(1, *segment.input_shape), weight.new_ones(1, *segment.output_shape)
        products = self.network.maps[name].weight_gradient(at_input, at_output)
        for axis in range(products.dim()):
            first = products.narrow(axis, 0, 1)
            if bool((products == first).all()):
                products = first
        # Weights without products grow by zero, so any divisor will do.
        return products.clamp(min=1).mul(self.config.mirror_batch_size).reciprocal()


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [WeightMirror]
