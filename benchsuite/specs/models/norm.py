"""Specs of normalisations: a name, or a name with its number of groups."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from benchsuite.specs.models.base import SpecModel, named_or_spelt_out


class GroupNormSpec(SpecModel):
    """Normalise each example over groups of channels and all positions (Wu & He 2018)."""

    kind: Literal["group"]
    groups: int = Field(gt=0)
    """Number of groups; it must divide the number of channels or units."""


NormName = Literal["none", "batch", "layer"]
"""``batch``: over the batch and all positions, per channel. ``layer``: over all units and positions of an example, with
a scale and a shift per channel: group norm with one group, and in a dense segment torch's layer norm."""

Norm = Annotated[
    Annotated[NormName, Tag("name")] | Annotated[GroupNormSpec, Tag("spelt_out")],
    Discriminator(named_or_spelt_out),
]
