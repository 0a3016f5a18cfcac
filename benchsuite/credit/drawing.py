"""Random feedback weights in the shape of the weights they stand for: how they are drawn, said once for all rules."""

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
    """Return a map's scale by one of the field's conventions.

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
            "no kind of map is called that{hint} (known: {known})",
            {"hint": nearest(kind, map_kinds()), "known": ", ".join(sorted(map_kinds()))},
        )
    return kind


MapKind = Annotated[str, AfterValidator(_known)]
"""Any ``LinearMap``'s kind, a plugin's included; whether the network at hand has such a map does not matter, so that
one configuration serves several tracks."""


class Drawing(RuleConfig):
    """How the feedback weights of one kind of map are drawn; what is not said here is as for all maps."""

    distribution: Distribution | None = None
    """Mean zero either way."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Of every feedback weight."""
    scale: ScaleName | None = None
    """The standard deviation by a convention instead of a number."""
    half_width: ScaleName | None = None
    """s of U[-s, s) by a convention: the standard deviation is s / √3."""

    @property
    def says_how_large(self) -> bool:
        """Whether one of the three is given."""
        return (self.standard_deviation, self.scale, self.half_width) != (None, None, None)


class DrawnFeedbackConfig(RuleConfig):
    """How random feedback weights are drawn; rules that draw them alike start alike at one seed.

    At most one of ``standard_deviation``, ``scale`` and ``half_width`` is given; none is ``scale: glorot``.
    """

    distribution: Distribution = "uniform"
    """Mean zero either way."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Of every feedback weight; sqrt(2 / (fan_in + fan_out)) if not given, Glorot's, as the URFB code draws W and R."""
    scale: ScaleName | None = None
    """The standard deviation by a convention instead of a number."""
    half_width: ScaleName | None = None
    """s of U[-s, s) by a convention: the standard deviation is s / √3."""
    by_map: dict[MapKind, Drawing] = Field(default_factory=dict)
    """What is different for maps of one kind. Xiao et al.'s feedback alignment is ``{conv2d: {distribution: normal,
    scale: he_fan_out}, dense: {distribution: uniform, half_width: root_fan_in}}``."""

    later_fields = frozenset({"scale", "half_width", "by_map"})

    @model_validator(mode="after")
    def _is_said_once(self) -> DrawnFeedbackConfig:
        for kind, drawing in {"": self, **self.by_map}.items():
            at = f"by_map.{kind}: " if kind else ""
            given = [n for n in ("standard_deviation", "scale", "half_width") if getattr(drawing, n) is not None]
            if len(given) > 1:
                raise PydanticCustomError(
                    "said_twice",
                    "{at}{given} say the same thing twice; keep one",
                    {"at": at, "given": " and ".join(given)},
                )
            if self._for(kind).half_width and self._for(kind).distribution == "normal":
                raise PydanticCustomError(
                    "no_half_width", "{at}a normal distribution has no half_width; give scale instead", {"at": at}
                )
        return self

    def _for(self, kind: str) -> Drawing:
        """Return what holds for a kind of map, defaults filled in."""
        own = self.by_map.get(kind, Drawing())
        size = own if own.says_how_large else self
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
        """Return one map's feedback weight, independent of its weight."""
        drawing, sd = self._for(linear_map.kind), self.standard_deviation_of(linear_map)
        feedback_weight = torch.empty_like(linear_map.weight, requires_grad=False)
        if drawing.distribution == "normal":
            return feedback_weight.normal_(0.0, sd, generator=generator)
        half_width = scale_of(linear_map, drawing.half_width) if drawing.half_width else sd * 3**0.5
        return feedback_weight.uniform_(-half_width, half_width, generator=generator)


DrawnConfigT = TypeVar("DrawnConfigT", bound=DrawnFeedbackConfig, default=DrawnFeedbackConfig, covariant=True)
"""The hyperparameters of a rule that draws its feedback weights."""
