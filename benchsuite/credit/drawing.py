"""Random feedback weights in the shape of the forward weights: their distributions, shared by all rules."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor
from typing_extensions import TypeVar

from benchsuite.credit.rule import RuleConfig
from benchsuite.errors import nearest
from benchsuite.networks.maps import LinearMap, map_kinds

ScaleName = Literal["he_fan_out", "root_fan_in", "glorot", "root_fan_sum", "one"]
Distribution = Literal["normal", "uniform"]


def scale_of(linear_map: LinearMap, name: ScaleName) -> float:
    """Return a map's scale by one of the common conventions.

    sqrt(2 / fan_out), 1 / sqrt(fan_in), sqrt(2 / (fan_in + fan_out)), 1 / sqrt(fan_in + fan_out), or 1.
    """
    fan_in, fan_out = linear_map.fan_in, linear_map.fan_out
    scales: dict[ScaleName, float] = {
        "he_fan_out": (2 / fan_out) ** 0.5,
        "root_fan_in": fan_in**-0.5,
        "glorot": (2 / (fan_in + fan_out)) ** 0.5,
        "root_fan_sum": (fan_in + fan_out) ** -0.5,
        "one": 1.0,
    }
    return scales[name]


def _known(kind: str) -> str:
    if kind not in map_kinds():
        raise PydanticCustomError(
            "map_kind",
            "no kind of map has this name{hint} (known: {known})",
            {"hint": nearest(kind, map_kinds()), "known": ", ".join(sorted(map_kinds()))},
        )
    return kind


MapKind = Annotated[str, AfterValidator(_known)]
"""The kind of any ``LinearMap``, including a plugin's. The network need not have such a map, so that one configuration
serves several tracks."""


class Drawing(RuleConfig):
    """Distribution of the feedback weights of one kind of map; fields not given are as for all maps."""

    distribution: Distribution | None = None
    """Both distributions have mean zero."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Standard deviation of every feedback weight."""
    scale: ScaleName | None = None
    """Convention that gives the standard deviation, instead of a number."""
    half_width: ScaleName | None = None
    """Convention that gives s of U[-s, s); the standard deviation is then s / √3."""

    @property
    def has_scale(self) -> bool:
        """True if one of the three sizes is given."""
        return (self.standard_deviation, self.scale, self.half_width) != (None, None, None)


class DrawnFeedbackConfig(RuleConfig):
    """Distribution of random feedback weights; rules with the same one start with equal weights at one seed.

    Give at most one of ``standard_deviation``, ``scale`` and ``half_width``; the default is ``scale: glorot``.
    """

    distribution: Distribution = "uniform"
    """Both distributions have mean zero."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Standard deviation of every feedback weight. Default: Glorot's sqrt(2 / (fan_in + fan_out)), as the URFB code
    draws W and R."""
    scale: ScaleName | None = None
    """Convention that gives the standard deviation, instead of a number."""
    half_width: ScaleName | None = None
    """Convention that gives s of U[-s, s); the standard deviation is then s / √3."""
    by_map: dict[MapKind, Drawing] = Field(default_factory=dict)
    """Differences for maps of one kind. Xiao et al.'s feedback alignment is ``{conv2d: {distribution: normal,
    scale: he_fan_out}, dense: {distribution: uniform, half_width: root_fan_in}}``."""

    omit_default_from_hash = frozenset({"scale", "half_width", "by_map"})

    @model_validator(mode="after")
    def _check_scale_given_once(self) -> DrawnFeedbackConfig:
        for kind, drawing in {"": self, **self.by_map}.items():
            at = f"by_map.{kind}: " if kind else ""
            given = [n for n in ("standard_deviation", "scale", "half_width") if getattr(drawing, n) is not None]
            if len(given) > 1:
                raise PydanticCustomError(
                    "said_twice",
                    "{at}{given} mean the same; give only one",
                    {"at": at, "given": " and ".join(given)},
                )
            if self._for(kind).half_width and self._for(kind).distribution == "normal":
                raise PydanticCustomError(
                    "no_half_width", "{at}a normal distribution has no half_width; give scale instead", {"at": at}
                )
        return self

    def _for(self, kind: str) -> Drawing:
        """Return the settings for a kind of map, with defaults filled in."""
        own = self.by_map.get(kind, Drawing())
        size = own if own.has_scale else self
        return Drawing(
            distribution=own.distribution or self.distribution,
            standard_deviation=size.standard_deviation,
            scale=size.scale,
            half_width=size.half_width,
        )

    def standard_deviation_of(self, linear_map: LinearMap) -> float:
        """Return the standard deviation of one map's feedback weights."""
        drawing = self._for(linear_map.kind)
        if drawing.half_width is not None:
            return scale_of(linear_map, drawing.half_width) / 3**0.5
        return drawing.standard_deviation or scale_of(linear_map, drawing.scale or "glorot")

    def draw(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Draw one map's feedback weight, independent of its forward weight."""
        drawing, sd = self._for(linear_map.kind), self.standard_deviation_of(linear_map)
        feedback_weight = torch.empty_like(linear_map.weight, requires_grad=False)
        if drawing.distribution == "normal":
            return feedback_weight.normal_(0.0, sd, generator=generator)
        half_width = scale_of(linear_map, drawing.half_width) if drawing.half_width else sd * 3**0.5
        return feedback_weight.uniform_(-half_width, half_width, generator=generator)


DrawnConfigT = TypeVar("DrawnConfigT", bound=DrawnFeedbackConfig, default=DrawnFeedbackConfig, covariant=True)
"""The hyperparameters of a rule that draws its feedback weights."""
