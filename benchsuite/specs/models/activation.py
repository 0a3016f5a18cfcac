"""Nonlinearities by name, and where their slope is not the usual one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from benchsuite.specs.models.base import SpecModel, named_or_spelt_out

ActivationName = Literal[
    "relu",
    "leaky_relu",
    "saturated_linear",
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "identity",
    "scalar_gate",
    "vector_gate",
]
"""``scalar_gate``: h where t·h > 0, else 0, with t = -1 in even and +1 in odd channels (the GEVB paper's conventional
counterpart). ``vector_gate``: the vector h where t·h >= 0, else 0, with random t of ±1 in pairs t, -t, one a channel;
for ``form: vectorized``."""


class SlopedActivation(SpecModel):
    """A nonlinearity whose slope is not the one its name alone stands for."""

    kind: Literal["leaky_relu", "saturated_linear"]
    slope: float = Field(gt=0)
    """Below zero (``leaky_relu``; 0.01 by name alone), or between the bounds (``saturated_linear``, that is
    clip(slope·h, -1, 1); 1 by name alone as in the URFB paper, 0.5 in its authors' code)."""


Activation = Annotated[
    Annotated[ActivationName, Tag("name")] | Annotated[SlopedActivation, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
