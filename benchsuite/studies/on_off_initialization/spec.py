"""The spec of a study of kind ``on_off_initialization``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from benchsuite.specs.models.study import SeedIndex, StudySpec

Width = Annotated[int, Field(gt=1, le=8192)]
Quantity = Literal["angles", "spectrum"]


class OnOffInitializationSpec(StudySpec):
    """Nonnegative vectorized networks before training, at several widths, beside what theory says of them.

    Source: Clark et al. 2021 (GEVB), sections 4 and 5.
    """

    kind: Literal["on_off_initialization"]
    quantity: Quantity
    """``angles``: GEVB's angle to the gradient per hidden layer, beside eq. 15. ``spectrum``: eigenvalues of one layer,
    and how much of its pre-activations lies along the vector of the largest (section 5)."""
    widths: tuple[Width, ...] = Field(min_length=1, max_length=30)
    """Units of every hidden layer; even, since units come in pairs."""
    hidden_layers: int = Field(default=3, gt=0, le=20)
    """Number of hidden layers, for ``angles``."""
    inputs: int = Field(default=100, gt=0, le=10_000)
    """Number of normally distributed inputs, for ``angles``."""
    examples: int = Field(default=32, gt=0, le=1000)
    """Number of inputs drawn, over which angles and overlaps are averaged."""
    classes: int = Field(default=10, gt=1, le=1000)
    """Number of classes, which is the number of components of a unit."""
    seeds: tuple[SeedIndex, ...] = Field(default=(0, 1, 2), min_length=1, max_length=1000)
    """Seed indices, each with weights and inputs of its own."""

    @field_validator("widths")
    @classmethod
    def _widths_are_pairs_and_differ(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if odd := [value for value in values if value % 2]:
            raise ValueError(f"{', '.join(map(str, odd))}: ON and OFF units come in pairs; give even numbers")
        if list(values) != sorted(set(values)):
            raise ValueError("each of them once, from the smallest to the largest")
        return values
