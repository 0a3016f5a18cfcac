"""All runs of one command: everything is checked before the first starts, and each ends in a record."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.errors import Problem, ShapeError, SpecError
from benchsuite.harness.allocator import steady_allocator
from benchsuite.harness.events import announce
from benchsuite.harness.run import InterruptedRunError, Run
from benchsuite.harness.write_up import LoadedData
from benchsuite.network.run_networks import outline_of_run
from benchsuite.record.model import RunRecord
from benchsuite.record.running import RunningElsewhereError
from benchsuite.record.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.spec.hashing import canonical_json
from benchsuite.spec.resolve import SelectedRun
from benchsuite.spec.track import RunSpec

# How often to look whether another process has finished a run that both were asked for.
POLL_S = 0.5


@dataclass
class SessionResult:
    """What a command's runs came to."""

    records: list[RunRecord] = field(default_factory=list)
    """One a run that has one, those found from earlier included."""
    reused: set[str] = field(default_factory=set)
    """Ids of runs that were finished before and not run again."""
    interrupted: bool = False


class Session:
    """Runs a list of selected runs, one after the other, in this process."""

    def __init__(
        self,
        runs: Sequence[SelectedRun],
        store: RecordStore,
        registry: Registry,
        data_root: Path,
        fresh: bool = False,
        on_reuse: Callable[[RunRecord], None] = lambda record: None,
    ) -> None:
        self.runs = runs
        self.store = store
        self.registry = registry
        self.data_root = data_root
        self.fresh = fresh
        self.on_reuse = on_reuse
        self._data: dict[str, LoadedData] = {}

    def check(self) -> None:
        """Load every data set and lay out every network, so that nothing is half run.

        Raises:
            DataError: if a data set is missing or damaged.
            SpecError: if a network cannot be built for its data, or a diagnostic does not exist.

        """
        problems: dict[str, None] = {}
        for run in self.runs:
            dataset = self.data_of(run.spec).dataset
            try:
                outline_of_run(run.spec, dataset.input_shape, dataset.classes, self.registry.architectures)
            except ShapeError as error:
                problems[f"architecture '{run.spec.architecture.name}' on {run.spec.dataset.name}: {error}"] = None
            for name in run.spec.diagnostics.names:
                self.registry.diagnostic(name)
        if problems:
            raise SpecError([Problem(message) for message in problems])

    def data_of(self, spec: RunSpec) -> LoadedData:
        """Return a run's data set, loaded once per session."""
        key = canonical_json(spec.dataset.model_dump(mode="json"))
        if key not in self._data:
            dataset = load_dataset(spec.dataset, self.data_root, self.registry.datasets)
            self._data[key] = LoadedData(dataset, fingerprint(dataset))
        return self._data[key]

    def execute(self, tracking_uri: str | None = None) -> SessionResult:
        """Make all runs that have no final record yet.

        Raises:
            StoreError: if records cannot be written.

        """
        steady_allocator()
        self.store.prepare()
        result = SessionResult()
        specs = [run.spec for run in self.runs]
        context = {"store": self.store.root, "tracking_uri": tracking_uri}
        announce(self.registry.manager, "benchsuite_session_started", runs=specs, context=context)
        try:
            with _termination_as_interrupt():
                waiting = [run for run in self.runs if not self._done(run, result)]
                while waiting:
                    # Several commands share a suite: what another is at is waited for, what it left behind is taken.
                    time.sleep(POLL_S)
                    waiting = [run for run in waiting if not self._done(run, result, again=True)]
        except InterruptedRunError as stop:
            result.records.append(stop.record)
            result.interrupted = True
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            announce(self.registry.manager, "benchsuite_session_finished", records=result.records)
        return result

    def _done(self, selected: SelectedRun, result: SessionResult, again: bool = False) -> bool:
        """Find or make one run's record; False if another live process is making it."""
        run = Run(selected, self.data_of(selected.spec), self.store, self.registry, self.fresh and not again)
        earlier = run.earlier_record()
        if earlier is not None:
            result.records.append(earlier)
            result.reused.add(earlier.run_id)
            self.on_reuse(earlier)
            return True
        try:
            result.records.append(run.execute())
        except RunningElsewhereError:
            return False
        return True


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: with its state saved and a record."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
