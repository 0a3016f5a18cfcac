"""Which model each part of a run and each kind of spec file is checked against."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from benchsuite.specs.loading.library import Kind
from benchsuite.specs.models.architecture import ArchitectureSpec
from benchsuite.specs.models.claim import ClaimSpec
from benchsuite.specs.models.dataset import DatasetSpec
from benchsuite.specs.models.experiment import ExperimentSpec
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.pretraining import PretrainingSpec
from benchsuite.specs.models.protocol import DiagnosticsSpec, ProtocolSpec
from benchsuite.specs.models.reference import ReferenceSpec
from benchsuite.specs.models.track import SuiteSpec, TrackSpec

PARTS: dict[str, Any] = {
    "dataset": DatasetSpec,
    "architecture": ArchitectureSpec,
    "protocol": ProtocolSpec,
    "diagnostics": DiagnosticsSpec,
    "pretraining": PretrainingSpec,
}

SHAPES: dict[Kind, Any] = {
    "datasets": DatasetSpec,
    "architectures": ArchitectureSpec,
    "hardware": HardwareSpec,
    "tracks": TrackSpec,
    "suites": SuiteSpec,
    "experiments": ExperimentSpec,
    "reference": ReferenceSpec,
    "claims": ClaimSpec,
}


@cache
def adapter_of(kind: str) -> TypeAdapter[Any]:
    """Return the validator of a part of a run or of a kind of spec file; built once, since building costs."""
    shape = PARTS.get(kind) or {str(name): shape for name, shape in SHAPES.items()}[kind]
    return TypeAdapter(shape)
