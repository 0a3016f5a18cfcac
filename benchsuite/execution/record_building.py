"""Build a run's record from its identity, its progress and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

from benchsuite.data.tensors import DecodedDataset
from benchsuite.records.keys import run_result_key
from benchsuite.records.model import (
    DataUsed,
    DiagnosticValue,
    Environment,
    EpochMetrics,
    NetworkUsed,
    RunRecord,
    RunStatus,
    StepDiagnosticValue,
    Timing,
)
from benchsuite.specs.hashing import id_of_hash, spec_hash
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.clock import Clock
from benchsuite.training.device import Device, peak_memory
from benchsuite.training.seeds import derive_seeds

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset


@dataclass(frozen=True)
class LoadedData:
    """A data set, in memory or in files, with its fingerprint."""

    dataset: DecodedDataset | StreamedDataset
    fingerprint: str


@dataclass
class Progress:
    """Metrics and diagnostics of a run so far."""

    epochs: list[EpochMetrics] = field(default_factory=list)
    pretraining: list[EpochMetrics] = field(default_factory=list)
    diagnostics: list[DiagnosticValue] = field(default_factory=list)
    step_diagnostics: list[StepDiagnosticValue] = field(default_factory=list)
    network: NetworkUsed | None = None
    steps_per_epoch: int = 1
    resumed: int = 0
    remarks: list[str] = field(default_factory=list)
    """Events that a reader must know of: a damaged checkpoint that was set aside, a diagnostic that failed."""


@dataclass(frozen=True)
class Identity:
    """Facts about a run that are known before it starts."""

    spec: RunSpec
    command: str
    data: LoadedData
    environment: Environment
    run_id: str
    spec_hash: str
    result_key: str
    seeds: dict[str, int]
    started_at: datetime


@dataclass(frozen=True)
class RunEnding:
    """Status with which a run ended, and the reason."""

    status: RunStatus
    reason: str = ""
    traceback: str | None = None


def identify(selected: SelectedRun, data: LoadedData, environment: Environment) -> Identity:
    """Return a run's ids, keys and seeds, with the present time as its start."""
    spec = selected.spec
    whole = spec_hash(spec)
    return Identity(
        spec=spec,
        command=selected.command,
        data=data,
        environment=environment,
        run_id=id_of_hash(whole),
        spec_hash=whole,
        result_key=run_result_key(whole, environment, data.fingerprint),
        seeds=derive_seeds(spec.seed),
        started_at=datetime.now(UTC),
    )


def build_record(identity: Identity, progress: Progress, device: Device, clock: Clock, ending: RunEnding) -> RunRecord:
    """Return the record of a run, with the present time as its end.

    Args:
        identity: the run's ids, seeds and origins.
        progress: its metrics and diagnostics.
        device: the device it ran on.
        clock: its time and energy per purpose.
        ending: its status and the reason.

    """
    dataset = identity.data.dataset
    peak_mib, peak_source = peak_memory(device.torch_device)
    spent = clock.spent
    energy = clock.used.get("train") if clock.joules else None
    uncounted = "not counted in all parts of the run" if device.energy.joules else device.energy.source
    epoch_times = [e.train_time_s for e in progress.epochs]
    return RunRecord(
        run_id=identity.run_id,
        spec_hash=identity.spec_hash,
        result_key=identity.result_key,
        status=ending.status,
        reason=ending.reason,
        traceback=ending.traceback,
        spec=identity.spec,
        seeds=identity.seeds,
        network=progress.network,
        data=DataUsed(
            fingerprint=identity.data.fingerprint,
            canonical=dataset.canonical,
            train_examples=len(dataset.train_targets),
            test_examples=len(dataset.test_targets),
            classes=dataset.classes,
            input_shape=dataset.input_shape,
        ),
        hardware=device.used,
        environment=identity.environment,
        epochs=tuple(progress.epochs),
        pretraining=tuple(progress.pretraining),
        diagnostics=tuple(progress.diagnostics),
        step_diagnostics=tuple(progress.step_diagnostics),
        timing=Timing(
            clock="perf_counter" if device.torch_device.type == "cpu" else "perf_counter with synchronisation",
            train_time_s=spent.get("train", 0.0),
            train_processor_s=clock.worked.get("train", 0.0),
            evaluation_time_s=spent.get("evaluation", 0.0),
            diagnostics_time_s=spent.get("diagnostics", 0.0),
            setup_time_s=spent.get("setup", 0.0),
            compile_time_s=spent.get("compile"),
            images_per_s=median(e.images_per_s for e in progress.epochs) if progress.epochs else None,
            step_time_ms=1000 * median(epoch_times) / progress.steps_per_epoch if epoch_times else None,
            peak_memory_mib=peak_mib,
            peak_memory_source=peak_source,
            train_energy_j=energy,
            train_energy_source=uncounted if energy is None else device.energy.source,
        ),
        started_at=identity.started_at,
        ended_at=datetime.now(UTC),
        resumed=progress.resumed,
        remarks=tuple(progress.remarks),
        command=identity.command,
    )
