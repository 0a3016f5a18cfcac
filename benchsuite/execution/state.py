"""What the parts of one run share: what it is, what it has to show so far, and where it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchsuite.execution.environment import environment_of
from benchsuite.execution.events import send_event
from benchsuite.execution.executor import SendEvent
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
        identity: its names, seeds and origins.
        store: where its record and its checkpoint go.
        registry: for its rule and for what plugins contribute.
        ranks: the processes that make it together.
        tell: tells plugins an event.
        fresh: whether its checkpoint is ignored.
        progress: what it has to show.
        clock: where its time and energy went.
        device: None until it is opened.
        outline: its network on paper, where that was laid out before; for data of the same shape.

    """

    identity: Identity
    store: RecordStore
    registry: Registry
    ranks: Ranks
    tell: SendEvent
    fresh: bool
    progress: Progress = field(default_factory=Progress)
    clock: Clock = field(default_factory=Clock)
    device: Device | None = None
    shapes: NetworkShapes | None = None

    @property
    def spec(self) -> RunSpec:
        """Return what is run."""
        return self.identity.spec

    @property
    def opened_device(self) -> Device:
        """Return the device; only after it was opened."""
        assert self.device is not None  # noqa: S101 - set by open_data_on_device, before anything asks
        return self.device

    @property
    def checkpoint_path(self) -> Path:
        """Return where this run's state is kept while it is not finished."""
        return self.store.checkpoints_folder / f"{self.identity.run_id}.pt"

    def send_event(self, event: str, **arguments: Any) -> None:
        """Tell plugins an event, in the process that writes alone."""
        if self.ranks.is_rank0:
            self.tell(event, **arguments)


def begin(
    selected: SelectedRun,
    data: LoadedData,
    store: RecordStore,
    registry: Registry,
    fresh: bool,
    ranks: Ranks,
    tell: SendEvent | None,
) -> RunState:
    """Return the state of a run that starts now; plugins are told through the registry's manager if not by ``tell``."""
    identity = identify(selected, data, environment_of(registry, selected.spec.rule.name))
    return RunState(identity, store, registry, ranks, tell or partial(send_event, registry.manager), fresh)
