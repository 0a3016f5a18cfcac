"""The timing record: step times of several rules on one track, measured in turns on one idle device."""

from __future__ import annotations

import hashlib
from datetime import datetime
from statistics import median
from typing import Literal

from pydantic import Field, model_validator

from benchsuite.records.model import GrownRecordModel, HardwareUsed, Hexadecimal, RecordModel, TrainingStep, Versions
from benchsuite.specs.hashing import canonical_json, id_of_hash, spec_hash
from benchsuite.specs.models.base import Name, Tier
from benchsuite.specs.models.track import RunSpec
from benchsuite.version import TIMING_SCHEMA_VERSION


class TimedRow(GrownRecordModel):
    """One rule with its settings, and its step time in each round."""

    omit_default = frozenset({"step", "step_reason"})

    spec: RunSpec
    rule_source_hash: Hexadecimal
    """sha256 of the rule's code."""
    steps_per_epoch: int = Field(gt=0)
    steps_per_round: int = Field(ge=0)
    """Training steps per round; 0 if the rule could not be timed."""
    step_times_ms: tuple[float, ...] = ()
    """Mean time per step in each round, in the order of the rounds; empty if the rule could not be timed."""
    phase_shares: dict[str, float] = Field(default_factory=dict)
    """Share of a step's time that each declared phase of the rule takes, 0 to 1; empty if it declares none. Where the
    protocol has stages, share of the training's time that each stage takes."""
    prediction_us: float | None = Field(default=None, gt=0)
    """Time of a prediction in microseconds per example; None in records from before this field, or if it failed."""
    reason: str = ""
    """Error because of which the rule could not be timed; empty if it was."""
    step: TrainingStep = "eager"
    """The step that was timed, as in a run's record."""
    step_reason: str = ""
    """Reason why it was eager."""

    @property
    def median_ms(self) -> float | None:
        """Return the median step time over the rounds; None if the rule could not be timed."""
        return median(self.step_times_ms) if self.step_times_ms else None


class TimingRecord(RecordModel):
    """Step times of several rules on one track and tier, on one hardware class."""

    schema_version: Literal[1] = TIMING_SCHEMA_VERSION  # type: ignore[assignment]
    timing_id: Hexadecimal
    """Identifies what was timed and where: a repeated measurement has the same."""
    track: Name
    tier: Tier
    hardware: HardwareUsed
    environment: Versions
    rounds: int = Field(gt=0)
    """Number of rounds; in each, every rule trains for a short stretch, in an order of the round's own."""
    rows: tuple[TimedRow, ...] = Field(min_length=1)
    busy: str = ""
    """Other use of the machine; empty if it was idle. The times of a busy machine are never shown as costs."""
    other_cores: float = Field(ge=0)
    """Processor cores that other processes used on average during the rounds."""
    started_at: datetime
    ended_at: datetime
    command: str

    @model_validator(mode="after")
    def _rows_have_all_rounds(self) -> TimingRecord:
        for row in self.rows:
            if len(row.step_times_ms) not in {0, self.rounds}:
                raise ValueError(f"{row.spec.rule.shown_as}: {len(row.step_times_ms)} times in {self.rounds} rounds")
            if any(time <= 0 for time in row.step_times_ms):
                raise ValueError(f"{row.spec.rule.shown_as}: a step time that is not positive")
            if not row.step_times_ms and not row.reason:
                raise ValueError(f"{row.spec.rule.shown_as}: neither times nor a reason why there are none")
            if (row.spec.track, row.spec.tier) != (self.track, self.tier):
                raise ValueError(f"{row.spec.rule.shown_as}: of track {row.spec.track}, tier {row.spec.tier}")
        return self


def timing_id_of(specs: list[RunSpec], hardware_class: str) -> str:
    """Return the id of a measurement of these runs on a hardware class."""
    named = canonical_json([sorted(spec_hash(spec) for spec in specs), hardware_class])
    return id_of_hash(hashlib.sha256(named.encode()).hexdigest())


def timing_problems(record: TimingRecord) -> list[str]:
    """Return what a reviewer must know to be wrong with a record: its id, and times of a busy machine."""
    wanted = timing_id_of([row.spec for row in record.rows], record.hardware.hardware_class)
    problems = [] if record.timing_id == wanted else [f"timing_id: {record.timing_id}, but its content gives {wanted}"]
    return problems + ([f"measured on a busy machine: {record.busy}"] if record.busy else [])
