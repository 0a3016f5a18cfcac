"""A plugin that watches sessions, and what tests of executors compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchsuite.execution.session import Session
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import build_registry
from benchsuite.registry.markers import hookimpl
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec


class Watch:
    """Plugin that notes what it is told, and calls a function after each epoch."""

    def __init__(self, after_epoch: Callable[[Watch], None] = lambda watch: None) -> None:
        self.started: list[tuple[str, int]] = []
        self.epochs: list[tuple[str, int]] = []
        self.finished: list[RunRecord] = []
        self.after_epoch = after_epoch

    @hookimpl
    def benchsuite_run_started(self, run_id: str, resumed_from_epoch: int) -> None:
        self.started.append((run_id, resumed_from_epoch))

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: Any) -> None:
        self.epochs.append((run_id, metrics.epoch))
        self.after_epoch(self)

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord, path: Any) -> None:
        assert path.is_file()
        self.finished.append(record)


def session_of(specs: list[RunSpec], store: RecordStore, watch: Watch, executor: Any, fresh: bool = False) -> Session:
    """Return a checked session whose events go to a watch."""
    registry = build_registry()
    registry.manager.register(watch)
    runs = [SelectedRun(spec, "benchsuite run tiny") for spec in specs]
    session = Session(runs, store, registry, store.root, fresh, executor=executor)
    session.check()
    return session


def numbers(record: RunRecord) -> list[Any]:
    """Return what a run's epochs measured, without times."""
    return [(e.epoch, e.running_loss, e.train, e.test) for e in record.epochs]
