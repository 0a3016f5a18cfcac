"""Which model each part of a run and each kind of spec file is checked against."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from benchsuite.spec.architecture import ArchitectureSpec
from benchsuite.spec.claim import ClaimSpec
from benchsuite.spec.dataset import DatasetSpec
from benchsuite.spec.experiment import ExperimentSpec
from benchsuite.spec.hardware import HardwareSpec
from benchsuite.spec.library import Kind
from benchsuite.spec.pretraining import PretrainingSpec
from benchsuite.spec.protocol import DiagnosticsSpec, ProtocolSpec
from benchsuite.spec.reference import ReferenceSpec
from benchsuite.spec.track import SuiteSpec, TrackSpec

PARTS: dict[str, Any] = {
    "dataset": DatasetSpec, "architecture": ArchitectureSpec, "protocol": ProtocolSpec, "diagnostics": DiagnosticsSpec,
    "pretraining": PretrainingSpec,
}  # fmt: skip

SHAPES: dict[Kind, Any] = {
    "datasets": DatasetSpec, "architectures": ArchitectureSpec, "hardware": HardwareSpec, "tracks": TrackSpec,
    "suites": SuiteSpec, "experiments": ExperimentSpec, "reference": ReferenceSpec,
    "claims": ClaimSpec,
}  # fmt: skip


@cache
def adapter_of(kind: str) -> TypeAdapter[Any]:
    """Return the validator of a part of a run or of a kind of spec file; built once, since building costs."""
    shape = PARTS.get(kind) or {str(name): shape for name, shape in SHAPES.items()}[kind]
    return TypeAdapter(shape)
