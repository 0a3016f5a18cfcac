"""State of one run, shared by the modules that make it: identity, progress, clock, device and store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchsuite.execution.environment import environment_of
from benchsuite.execution.events import send_event
from benchsuite.execution.executor import SendEvent as SendEvent
from benchsuite.execution.record_building import Identity, LoadedData, Progress, identify
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.clock import Clock
from benchsuite.training.device import Device
from benchsuite.training.ranks import Ranks


@dataclass
class RunState:
    """One run, from before it starts until its record is written.

    Attributes:
        identity: its ids, keys, seeds and origins.
        store: for its record and its checkpoint.
        registry: provides its rule and everything else that plugins contribute.
        ranks: the processes that share it.
        emit: sends an event to plugins.
        fresh: True to ignore its checkpoint.
        progress: its metrics and diagnostics so far.
        clock: its time and energy per purpose.
        device: None until it is opened.
        shapes: its network's shapes if they are already known; used only for data of the same shape.
        on_device: called with the device when it is opened.

    """

    identity: Identity
    store: RecordStore
    registry: Registry
    ranks: Ranks
    emit: SendEvent
    fresh: bool
    progress: Progress = field(default_factory=Progress)
    clock: Clock = field(default_factory=Clock)
    device: Device | None = None
    shapes: NetworkShapes | None = None
    on_device: Callable[[Device], None] = lambda device: None

    @property
    def spec(self) -> RunSpec:
        """Return the run's spec."""
        return self.identity.spec

    @property
    def opened_device(self) -> Device:
        """Return the device; may be called only after it was opened."""
        assert self.device is not None  # noqa: S101 - set by open_data_on_device, which runs first
        return self.device

    @property
    def checkpoint_path(self) -> Path:
        """Return the path of this run's checkpoint while the run is not finished."""
        return self.store.checkpoints_folder / f"{self.identity.run_id}.pt"

    def send_event(self, event: str, **arguments: Any) -> None:
        """Send an event to plugins, on rank 0 only."""
        if self.ranks.is_rank0:
            self.emit(event, **arguments)


def begin(
    selected: SelectedRun,
    data: LoadedData,
    store: RecordStore,
    registry: Registry,
    fresh: bool,
    ranks: Ranks,
    emit: SendEvent | None,
) -> RunState:
    """Return the state of a run that starts now; without ``emit``, events go through the registry's manager."""
    identity = identify(selected, data, environment_of(registry, selected.spec.rule.name, selected.spec))
    return RunState(identity, store, registry, ranks, emit or partial(send_event, registry.manager), fresh)
