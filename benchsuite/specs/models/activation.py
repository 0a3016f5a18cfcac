"""Specs of nonlinearities: a name, or a name with a slope."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from benchsuite.specs.models.base import SpecModel, named_or_spelt_out

ActivationName = Literal[
    "relu",
    "leaky_relu",
    "saturated_linear",
    "hard_sigmoid",
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "identity",
    "scalar_gate",
    "vector_gate",
]
"""``hard_sigmoid``: clip(h, 0, 1). ``scalar_gate``: h if t·h > 0, else 0, with t = -1 in even and +1 in odd channels
(the GEVB paper's conventional counterpart). ``vector_gate``: the vector h if t·h >= 0, else 0, with random t of ±1 in
pairs t, -t, one per channel; for ``form: vectorized``."""


class SlopedActivation(SpecModel):
    """A nonlinearity with a slope other than its default."""

    kind: Literal["leaky_relu", "saturated_linear"]
    slope: float = Field(gt=0)
    """For ``leaky_relu``, the slope below zero (default 0.01). For ``saturated_linear``, that is clip(slope·h, -1, 1),
    the slope between the bounds (default 1 as in the URFB paper; 0.5 in its authors' code)."""


Activation = Annotated[
    Annotated[ActivationName, Tag("name")] | Annotated[SlopedActivation, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
