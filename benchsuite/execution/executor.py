"""Where a session's runs are made if not in its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchsuite.execution.endings import LostRun
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.hardware import HardwareSpec


class SendEvent(Protocol):
    """Tells the session's plugins an event of a run; ``events.announce`` with its manager filled in."""

    def __call__(self, event: str, **arguments: object) -> None:
        """Tell one event."""


@dataclass(frozen=True)
class RunContext:
    """Where those who make the runs find what they need.

    Attributes:
        store: folder of records and checkpoints, the same for all.
        data_root: where data sets lie.
        fresh: whether finished runs and checkpoints are ignored.

    """

    store: Path
    data_root: Path
    fresh: bool


LostRunHandler = Callable[[SelectedRun, LostRun], RunRecord]
"""Writes the record of a run that could not be brought to an end anywhere, and why."""


def threads_of(hardware: HardwareSpec) -> int:
    """Return how many threads torch gets, for which cores are reserved: one where the spec leaves it open."""
    return hardware.threads or 1


class Executor(Protocol):
    """Makes runs somewhere else, several at a time."""

    def check(self, runs: Sequence[SelectedRun], place: RunContext) -> None:
        """Raise what would keep any of the runs from being made, before the first is started.

        Raises:
            HardwareError: if there is no place for a run, or the places cannot see the store.
        """

    def make(
        self, runs: Sequence[SelectedRun], place: RunContext, tell: SendEvent, lost: LostRunHandler
    ) -> Iterator[RunRecord]:
        """Yield the record of every run as it ends; records are in the store by then.

        Told is what happens before a run's end. A ``KeyboardInterrupt`` is passed on after the runs under way have
        written their records.
        """
