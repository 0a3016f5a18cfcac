"""Studies: fixed tests of theoretical results that a table of rules cannot show.

Like a track, a study specifies everything it needs, but it has no tiers, data sets or choice of rules. Each kind of
study has its own spec, which a plugin registers with the hook ``benchsuite_studies``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, field_validator

from benchsuite.specs.models.base import DocumentedSpec, Name

SeedIndex = Annotated[int, Field(ge=0, lt=2**31)]


class StudySpec(DocumentedSpec):
    """Fields of every study; a kind of study derives from it, with ``kind: Literal["its_kind"]``."""

    kind: Name
    """The kind of study; `benchsuite info` of a study shows its fields."""
    seeds: tuple[SeedIndex, ...] = Field(default=(0, 1, 2), min_length=1, max_length=1000)
    """Seed indices."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each of them once")
        return values


class AnyStudySpec(StudySpec):
    """A study of any kind, installed or not: the fields of its kind are kept as plain data."""

    model_config = ConfigDict(extra="allow")
