"""Random feedback weights in the shape of the weights they stand for: how they are drawn, said once for all rules."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.network.maps import LinearMap
from benchsuite.rule import RuleConfig

ScaleName = Literal["he_fan_out", "root_fan_in", "glorot", "one"]


def scale_of(linear_map: LinearMap, name: ScaleName) -> float:
    """Return a map's scale by one of the field's conventions.

    sqrt(2 / fan_out), 1 / sqrt(fan_in), sqrt(2 / (fan_in + fan_out)), or 1.
    """
    fan_in, fan_out = linear_map.fan_in, linear_map.fan_out
    scales: dict[ScaleName, float] = {
        "he_fan_out": (2 / fan_out) ** 0.5,
        "root_fan_in": fan_in**-0.5,
        "glorot": (2 / (fan_in + fan_out)) ** 0.5,
        "one": 1.0,
    }
    return scales[name]


class DrawnFeedbackConfig(RuleConfig):
    """How random feedback weights are drawn; rules that draw them alike start alike at one seed."""

    distribution: Literal["normal", "uniform"] = "uniform"
    """Mean zero either way."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Of every feedback weight; sqrt(2 / (fan_in + fan_out)) if not given, Glorot's, as the URFB code draws W and R."""

    def draw(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's feedback weight, independent of its weight."""
        sd = self.standard_deviation or scale_of(linear_map, "glorot")
        feedback_weight = torch.empty_like(linear_map.weight, requires_grad=False)
        if self.distribution == "normal":
            return feedback_weight.normal_(0.0, sd, generator=generator)
        return feedback_weight.uniform_(-sd * 3**0.5, sd * 3**0.5, generator=generator)
