"""The result of a study of kind ``on_off_initialization``: one number per seed, width and row of the table."""

from __future__ import annotations

from pydantic import Field

from benchsuite.records.model import RecordModel
from benchsuite.records.study import StudyResult


class Measured(RecordModel):
    """The numbers of one network."""

    seed: int = Field(ge=0)
    width: int = Field(gt=0)
    values: tuple[float, ...]
    """In the order of the result's ``rows``."""


class OnOffInitializationResult(StudyResult):
    """All networks."""

    rows: tuple[str, ...] = Field(min_length=1)
    """Names of the quantities."""
    networks: tuple[Measured, ...] = Field(min_length=1)
