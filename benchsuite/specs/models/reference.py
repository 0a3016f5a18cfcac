"""Published values: what papers and their authors' code report, to stand beside what is measured here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, Tier

ERRORS_PERCENT = frozenset({"test_error_percent", "train_error_percent"})
"""Metrics that are no diagnostic; written as papers print them, in per cent and not as fractions."""


class PublishedValue(SpecModel):
    """One number of a paper: of which rule, under which conditions, how well known."""

    track: Name | None = None
    """The track that repeats the published conditions at the file's tier."""
    setting: str = ""
    """Instead of a track: data set and network, where no track has them."""
    rule: Name
    metric: Name
    """``test_error_percent``, ``train_error_percent``, or a diagnostic by its name."""
    segment: str | None = None
    """For a diagnostic: the segment it is of; none for the network as a whole."""
    epoch: int | Literal["last"] = Field(default="last", union_mode="left_to_right")
    """Measured after so many epochs, 0 before training; ``last``: after the run's last, early stopping included."""
    value: float
    relation: Literal["equal", "at_most"] = "equal"
    """``at_most``: the source says only that it is not above ``value``."""
    spread: float | None = Field(default=None, ge=0)
    """In the unit of ``value``; none where it is not published."""
    spread_kind: Literal["standard_deviation", "standard_error"] | None = None
    runs: int | None = Field(default=None, gt=0)
    """Independent runs behind the value; the file's if not given."""
    note: str = ""
    """What a reader must know before comparing."""
    inferred: bool = False
    """Whether the assignment to this track, or the value, is our inference and not in so many words in the source."""

    @property
    def is_error(self) -> bool:
        """Return whether the value is an error in per cent, and not a diagnostic."""
        return self.metric in ERRORS_PERCENT

    @model_validator(mode="after")
    def _says_of_what(self) -> PublishedValue:
        if (self.track is None) == (not self.setting):
            raise ValueError("give the track, or, where there is none, the setting in words; not both")
        if (self.spread is None) != (self.spread_kind is None):
            raise ValueError("spread and spread_kind (standard_deviation or standard_error) go together")
        if self.is_error and self.segment is not None:
            raise ValueError(f"{self.metric} is of the whole network; a segment is for diagnostics")
        if self.is_error and not 0 <= self.value <= 100:
            raise ValueError(f"{self.metric} is in per cent, 0 to 100; found {self.value:g}")
        return self


class ReferenceSpec(DocumentedSpec):
    """The values of one source."""

    tier: Tier = "paper"
    """The tier at which its tracks repeat the published conditions."""
    runs: int | None = Field(default=None, gt=0)
    """Independent runs behind each value that does not say otherwise; none where it is not published."""
    entries: tuple[PublishedValue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_each(self) -> ReferenceSpec:
        seen: dict[tuple[object, ...], int] = {}
        for position, entry in enumerate(self.entries):
            what = (entry.track, entry.setting, entry.rule, entry.metric, entry.segment, entry.epoch)
            if what in seen:
                raise ValueError(f"entries {seen[what]} and {position} are of the same; a source has one value of each")
            seen[what] = position
        return self

    def runs_of(self, entry: PublishedValue) -> int | None:
        """Return how many runs are behind a value, or None where that is not published."""
        return entry.runs or self.runs
