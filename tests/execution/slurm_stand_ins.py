"""Tasks of SLURM's jobs, and a queue whose jobs have all ended, without processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchsuite.execution.executor import RunContext
from benchsuite.execution.reservations import Resources
from benchsuite.execution.slurm.task import SlurmTask
from benchsuite.execution.workers.messages import Outcome
from benchsuite.records.store import RecordStore
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec


def task_of(spec: RunSpec, store: RecordStore, fresh: bool = False) -> SlurmTask:
    context = RunContext(store.root, store.root, fresh)
    return SlurmTask(SelectedRun(spec, "benchsuite run tiny"), context, store.root / "events")


class Ended:
    """A job that has ended, in a state and with a result of its task."""

    def __init__(self, folder: Path, state: str, result: Outcome | None = None, log: str = "") -> None:
        self.state, self.job_id, self._result = state, f"7_{len(list(folder.glob('*.log')))}", result
        self.paths = SimpleNamespace(stdout=folder / f"{self.job_id}.log", result_pickle=folder / f"{self.job_id}.pkl")
        self.paths.stdout.write_text(log)
        if result is not None:
            self.paths.result_pickle.touch()

    def done(self) -> bool:
        return True

    def exception(self) -> None:
        """Return no error."""

    def result(self) -> Outcome | None:
        return self._result


class EndedQueue:
    """Queue whose jobs have all ended at once."""

    result_delay_s = 0.0

    def __init__(self, *ends: Callable[[Path], Ended], begin: bool = True) -> None:
        self.ends, self.begin = list(ends), begin
        self.folder: Path | None = None
        self.sizes: list[int] = []
        self.tasks: list[SlurmTask] = []

    def submit(self, tasks: Sequence[SlurmTask], need: Resources, folder: Path) -> list[Any]:
        self.folder = folder
        self.sizes.append(len(tasks))
        self.tasks += tasks
        for task in tasks if self.begin else ():
            task.events.touch()
        return [self.ends.pop(0)(folder) for _ in tasks]

    def cancel(self, jobs: Sequence[Any]) -> None:
        """Nothing is left to cancel."""


def ended(state: str, result: Outcome | None = None, log: str = "") -> Callable[[Path], Ended]:
    return lambda folder: Ended(folder, state, result, log)
