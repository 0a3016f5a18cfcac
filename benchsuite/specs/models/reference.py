"""Published values: numbers from papers and their authors' code, to show beside measured values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, Tier
from benchsuite.specs.models.variant import RowName

ERRORS_PERCENT = frozenset({"test_error_percent", "train_error_percent"})
"""Metrics that are not diagnostics; given in per cent as papers print them, not as fractions."""


class PublishedValue(SpecModel):
    """One published number: its rule, conditions and uncertainty."""

    track: Name | None = None
    """Track that repeats the published conditions at the file's tier."""
    setting: str = ""
    """Data set and network in words, instead of a track, if no track has them."""
    rule: RowName
    """Name of a rule, or of a variant that the track or a suite with the track defines."""
    metric: Name
    """``test_error_percent``, ``train_error_percent``, or a diagnostic by its name."""
    segment: str | None = None
    """For a diagnostic: the segment; None for the network as a whole."""
    epoch: int | Literal["last"] = Field(default="last", union_mode="left_to_right")
    """Epoch of the measurement, 0 before training; ``last``: the run's last epoch, with early stopping."""
    value: float
    relation: Literal["equal", "at_most"] = "equal"
    """``at_most``: the source only says that it does not exceed ``value``."""
    spread: float | None = Field(default=None, ge=0)
    """Spread in the unit of ``value``; None if it is not published."""
    spread_kind: Literal["standard_deviation", "standard_error"] | None = None
    runs: int | None = Field(default=None, gt=0)
    """Number of independent runs behind the value; the file's number if not given."""
    note: str = ""
    """Notes that a reader needs before comparing."""
    inferred: bool = False
    """True if the value, or its assignment to this track, is our inference and not stated in the source."""

    @property
    def is_error(self) -> bool:
        """True if the value is an error in per cent, not a diagnostic."""
        return self.metric in ERRORS_PERCENT

    @model_validator(mode="after")
    def _says_of_what(self) -> PublishedValue:
        if (self.track is None) == (not self.setting):
            raise ValueError("give the track, or, where there is none, the setting in words; not both")
        if (self.spread is None) != (self.spread_kind is None):
            raise ValueError("spread and spread_kind (standard_deviation or standard_error) go together")
        if self.is_error and self.segment is not None:
            raise ValueError(f"{self.metric} is measured for the whole network; leave out segment")
        if self.is_error and not 0 <= self.value <= 100:
            raise ValueError(f"{self.metric} is in per cent, 0 to 100; found {self.value:g}")
        return self


class ReferenceSpec(DocumentedSpec):
    """The published values of one source."""

    tier: Tier = "paper"
    """Tier at which the tracks repeat the published conditions."""
    runs: int | None = Field(default=None, gt=0)
    """Default number of independent runs behind each value; None if it is not published."""
    entries: tuple[PublishedValue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_each(self) -> ReferenceSpec:
        seen: dict[tuple[object, ...], int] = {}
        for position, entry in enumerate(self.entries):
            key = (entry.track, entry.setting, entry.rule, entry.metric, entry.segment, entry.epoch)
            if key in seen:
                raise ValueError(
                    f"entries {seen[key]} and {position} give two values of the same quantity; a source has one"
                )
            seen[key] = position
        return self

    def runs_of(self, entry: PublishedValue) -> int | None:
        """Return the number of runs behind a value, or None if it is not published."""
        return entry.runs or self.runs
