"""The record of a study: one JSON document with its spec, its seeds and the result of its kind."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from benchsuite.records.model import Hexadecimal, RecordModel, Versions
from benchsuite.specs.models.base import Name
from benchsuite.specs.models.study import AnyStudySpec
from benchsuite.version import STUDY_SCHEMA_VERSION


class CodeUsed(RecordModel):
    """The origin of a plugin's code."""

    distribution: str
    """Distribution and version that provided it."""
    source_hash: Hexadecimal
    """sha256 of the source of its own modules."""


class StudyResult(RecordModel):
    """Base class of the results of a kind of study; its validators check what is read."""


class StudyRecord(RecordModel):
    """The complete record of one study.

    It can be read without the plugin of its kind: ``spec`` and ``result`` are then plain data. With the plugin,
    ``benchsuite.studies.checking`` validates both.
    """

    schema_version: Literal[2] = STUDY_SCHEMA_VERSION  # type: ignore[assignment]
    study_id: Hexadecimal
    spec_hash: Hexadecimal
    result_key: Hexadecimal
    """Hash of everything that can change the numbers: spec, sources, versions. Finds a finished study."""
    spec: AnyStudySpec
    seeds: dict[int, dict[str, int]]
    """The seed of each independent random stream, by seed index."""
    rules: dict[Name, CodeUsed]
    """The rules that the study runs."""
    code: CodeUsed | None = None
    """The study's own code; None for the suite's own, whose version is in ``environment``."""
    environment: Versions
    result: dict[str, Any]
    """Measurements, in the form of the study's kind."""
    wall_time_s: float = Field(ge=0)
    started_at: datetime
    ended_at: datetime
    command: str
    """The command that repeats this study."""
