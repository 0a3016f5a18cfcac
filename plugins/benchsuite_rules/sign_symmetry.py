"""Sign-symmetry: feedback weights with the forward weights' signs at every step, but their own magnitudes."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    FeedbackWeights,
    LinearMap,
    MapKind,
    Network,
    RandomStream,
    ReplacedFeedbackRule,
    Rule,
    RuleConfig,
    RuleTraits,
    ScaleName,
    hookimpl,
    scale_of,
)

BENCHSUITE_CONTRACT = 1


MagnitudeDistribution = Literal["half_normal", "uniform"]


class Magnitudes(RuleConfig):
    """Magnitudes for one kind of map; fields not given are as for all maps."""

    scale: ScaleName | None = None
    """Convention that gives s."""
    distribution: MagnitudeDistribution | None = None
    """``half_normal``: |N(0, s²)|. ``uniform``: U[0, s)."""


class SignSymmetryConfig(RuleConfig):
    """Magnitudes of the feedback weights, and the segments that have them."""

    magnitude: Literal["equal", "fixed_random", "fresh_random"] = "equal"
    """All equal to s, drawn once, or drawn anew at every step (uSF, frSF and brSF of Liao et al.)."""
    scale: ScaleName = "he_fan_out"
    """Convention that gives s: sqrt(2 / fan_out), Xiao et al.'s for convolutions; 1 / sqrt(fan_in), theirs for fully
    connected layers; sqrt(2 / (fan_in + fan_out)); 1 / sqrt(fan_in + fan_out); or 1."""
    distribution: MagnitudeDistribution = "half_normal"
    """Distribution of random magnitudes: |N(0, s²)|, Xiao et al.'s for convolutions; or U[0, s), theirs for others."""
    exact_readout: bool = False
    """Pass credit back from the readout through its forward weight, as by default in Xiao et al.'s code. With only one
    hidden segment all credit is then backprop's, and ``taken_over`` is empty."""
    by_map: dict[MapKind, Magnitudes] = Field(default_factory=dict)
    """Differences for maps of one kind. With the defaults for the others, Xiao et al.'s code is ``{dense: {scale:
    root_fan_in, distribution: uniform}}``."""

    omit_default_from_hash = frozenset({"by_map"})

    def scale_for(self, linear_map: LinearMap) -> float:
        """Return s for one map."""
        return scale_of(linear_map, self._own(linear_map).scale or self.scale)

    def distribution_for(self, linear_map: LinearMap) -> MagnitudeDistribution:
        """Return the distribution of one map's random magnitudes."""
        return self._own(linear_map).distribution or self.distribution

    def _own(self, linear_map: LinearMap) -> Magnitudes:
        return self.by_map.get(linear_map.kind, Magnitudes())


class SignSymmetry(ReplacedFeedbackRule[SignSymmetryConfig]):
    """Backpropagation through sign(W) times a magnitude, with sign(0) = 0."""

    name = "sign_symmetry"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Liao, Leibo & Poggio 2016, arXiv:1510.05067; Xiao et al. 2018, arXiv:1811.03567",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
        weight_transport=True,
    )

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor | None:
        """Return one map's initial magnitudes; ``attach`` applies the signs."""
        if self.config.exact_readout and linear_map is self.network.maps[self.network.readout]:
            return None
        if self.config.magnitude == "equal":
            return torch.full_like(linear_map.weight, self.config.scale_for(linear_map), requires_grad=False)
        return self._draw(linear_map, generator)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw magnitudes and apply the weights' signs."""
        super().attach(network, generator)
        drawn = self.feedback.by_segment
        if self.config.magnitude == "fixed_random":
            self.magnitudes = FeedbackWeights({name: magnitude.clone() for name, magnitude in drawn.items()})
        if self.config.magnitude == "fresh_random":
            self.stream = RandomStream(generator)
        for name, feedback_weight in drawn.items():
            feedback_weight.mul_(network.maps[name].weight.detach().sign())

    def after_update(self) -> None:
        """Apply the current signs of the weights."""
        with torch.no_grad():
            for name, feedback_weight in self.feedback.by_segment.items():
                linear_map = self.network.maps[name]
                torch.sign(linear_map.weight, out=feedback_weight).mul_(self._magnitude(name, linear_map))

    def _magnitude(self, name: str, linear_map: LinearMap) -> Tensor | float:
        if self.config.magnitude == "equal":
            return self.config.scale_for(linear_map)
        if self.config.magnitude == "fixed_random":
            return self.magnitudes.by_segment[name]
        return self._draw(linear_map, self.stream.on(linear_map.weight.device))

    def _draw(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        magnitude = torch.empty_like(linear_map.weight, requires_grad=False)
        scale = self.config.scale_for(linear_map)
        if self.config.distribution_for(linear_map) == "uniform":
            return magnitude.uniform_(0.0, scale, generator=generator)
        return magnitude.normal_(0.0, scale, generator=generator).abs_()


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [SignSymmetry]
