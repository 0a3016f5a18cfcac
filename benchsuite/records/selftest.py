"""The record of a self-test: what a device does with the suite's steps and runs, and how fast, part by part."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from benchsuite.records.model import HardwareUsed, Hexadecimal, RecordModel, TrainingStep, Versions
from benchsuite.specs.hashing import canonical_json, id_of_hash
from benchsuite.version import SELFTEST_SCHEMA_VERSION

PartName = Literal[
    "environment", "capture", "roof", "rates", "compiled", "concurrency", "input_pipeline", "energy", "test_suite"
]
"""A part of the self-test, in the order in which they are made."""

PartStatus = Literal["passed", "failed", "timed_out", "crashed", "skipped", "interrupted"]
"""The way a part ended: ``timed_out`` if its process was killed at its deadline, ``crashed`` if it died by itself."""

FAILURES: frozenset[PartStatus] = frozenset({"failed", "timed_out", "crashed"})

Positive = Annotated[float, Field(gt=0)]


class Fact(RecordModel):
    """A fact about the device or the software."""

    kind: Literal["fact"] = "fact"
    name: str
    value: str


class CapturedStep(RecordModel):
    """One rule on one small network: its step recorded, on CUDA captured, and compared with eager steps."""

    kind: Literal["captured_step"] = "captured_step"
    rule: str
    network: str
    form: str
    step: TrainingStep
    """``eager`` if the step cannot be recorded."""
    steps: int = Field(ge=0)
    """Number of steps after which the states were compared; 0 if they were not."""
    difference: float | None = Field(default=None, ge=0)
    """Largest difference between a recorded and an eager tensor, relative to the eager tensor's largest value."""
    tolerance: float = Field(ge=0)
    """Largest difference that is allowed; 0 asks for equality to the bit."""
    reason: str = ""
    """Reason why the step is eager, or the problem found."""
    is_problem: bool = False


class Roof(RecordModel):
    """A speed limit of the device, measured by one operation alone."""

    kind: Literal["roof"] = "roof"
    operation: Literal["matrix product", "copy"]
    precision: str
    rate: Positive
    unit: Literal["GFLOP/s", "GB/s"]


class StepRate(RecordModel):
    """Speed of training steps of the baseline on one network."""

    kind: Literal["step_rate"] = "step_rate"
    network: str
    precision: str
    memory_format: Literal["contiguous", "channels_last"]
    step: TrainingStep
    compiled: bool = False
    images_per_s: Positive | None = None
    """None if it could not be measured."""
    step_ms: Positive | None = None
    roofline_ms: Positive | None = None
    """Least time of a step: its operations at the measured rate of matrix products, or its bytes at that of copies."""
    roofline_share: Positive | None = None
    """``roofline_ms`` over ``step_ms``; above 1 if tensors stay in a cache, which is faster than a copy."""
    reason: str = ""
    """Reason why there is no speed, or why the step is not the one asked for."""


class ConcurrentRuns(RecordModel):
    """Equal runs made at the same time, each in a process of its own."""

    kind: Literal["concurrent_runs"] = "concurrent_runs"
    runs: int = Field(gt=0)
    """Number of runs, all at once."""
    elapsed_s: Positive | None = None
    """From the start of the first to the end of the last."""
    runs_per_hour: Positive | None = None
    ratio_to_one: Positive | None = None
    """Runs per hour over those of one run alone."""
    reason: str = ""
    """Reason why they were not measured."""


class InputRate(RecordModel):
    """Training speed with images from one source."""

    kind: Literal["input_rate"] = "input_rate"
    source: Literal["resident", "streamed"]
    network: str
    batch_size: int = Field(gt=0)
    processes: int = Field(ge=0)
    """Processes that decode images."""
    images_per_s: Positive
    ratio_to_resident: Positive | None = None


class EnergyUse(RecordModel):
    """Energy of training steps, from the device's own counter."""

    kind: Literal["energy_use"] = "energy_use"
    network: str
    step: TrainingStep
    joules_per_1000_images: Positive
    watts: Positive
    counter: str


Row = Annotated[
    Fact | CapturedStep | Roof | StepRate | ConcurrentRuns | InputRate | EnergyUse, Field(discriminator="kind")
]
"""A row of a part's table."""


class SelftestPart(RecordModel):
    """One part: how it ended, and all rows that it had by then."""

    name: PartName
    status: PartStatus
    reason: str = ""
    """Reason of any status but ``passed``."""
    given_s: float = Field(ge=0)
    """Time after which its process would be killed."""
    took_s: float = Field(ge=0)
    rows: tuple[Row, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Return True if it failed, crashed or was killed."""
        return self.status in FAILURES


class SelftestRecord(RecordModel):
    """Results of ``benchsuite selftest`` on one device."""

    schema_version: Literal[1] = SELFTEST_SCHEMA_VERSION  # type: ignore[assignment]
    selftest_id: Hexadecimal
    """Identifies the device and its class: a repeated self-test has the same."""
    device: Literal["cpu", "gpu"]
    hardware: HardwareUsed | None
    """None if the part that looks at the device failed."""
    environment: Versions
    minutes: float = Field(gt=0)
    """Time that all parts together were given."""
    parts: tuple[SelftestPart, ...] = Field(min_length=1)
    busy: str = ""
    """Other use of the machine; empty if it was idle. Speeds of a busy machine tell of that as well."""
    other_cores: float = Field(ge=0)
    """Processor cores that other processes used on average during the self-test."""
    started_at: datetime
    ended_at: datetime
    command: str

    @model_validator(mode="after")
    def _has_parts_once_and_in_order(self) -> SelftestRecord:
        names = [part.name for part in self.parts]
        if names != [name for name in get_args(PartName) if name in names]:
            raise ValueError(f"parts: {', '.join(names)}; each may be there once, in the order of the self-test")
        for part in self.parts:
            if part.status != "passed" and not part.reason:
                raise ValueError(f"{part.name}: {part.status} without a reason")
        return self

    @property
    def failed(self) -> tuple[SelftestPart, ...]:
        """The parts that failed, crashed or were killed."""
        return tuple(part for part in self.parts if part.has_failed)


def selftest_id_of(device: str, hardware: HardwareUsed | None) -> str:
    """Return the id of a self-test on this device."""
    named = canonical_json([device, hardware.hardware_class if hardware else ""])
    return id_of_hash(hashlib.sha256(named.encode()).hexdigest())


def selftest_problems(record: SelftestRecord) -> list[str]:
    """Return what a reviewer must know to be wrong with a record: its id, parts that failed, a busy machine."""
    wanted = selftest_id_of(record.device, record.hardware)
    problems = []
    if record.selftest_id != wanted:
        problems.append(f"selftest_id: {record.selftest_id}, but its content gives {wanted}")
    problems += [f"part {part.name}: {part.status}: {part.reason}" for part in record.failed]
    if record.busy:
        problems.append(f"measured on a busy machine: {record.busy}")
    return problems
