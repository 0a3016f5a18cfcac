"""Interface of executors, which make a session's runs in other processes."""

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
    """Function that sends an event to the session's plugins: ``events.send_event`` with its manager filled in."""

    def __call__(self, event: str, **arguments: object) -> None:
        """Send one event."""


@dataclass(frozen=True)
class RunContext:
    """Folders and settings that an executor's workers need.

    Attributes:
        store: folder of records and checkpoints, the same for all workers.
        data_root: folder of data sets.
        fresh: True to ignore finished runs and checkpoints.

    """

    store: Path
    data_root: Path
    fresh: bool


LostRunHandler = Callable[[SelectedRun, LostRun], RunRecord]
"""Writes the record, with the reason, of a run that no worker could finish."""


def threads_of(hardware: HardwareSpec) -> int:
    """Return the number of torch threads, one reserved core each; 1 if the spec does not set it."""
    return hardware.threads or 1


class Executor(Protocol):
    """Maker of runs in other processes or on other machines, several at a time."""

    def check(self, runs: Sequence[SelectedRun], context: RunContext) -> None:
        """Check that every run can be made, before the first starts.

        Raises:
            HardwareError: if no machine has room for a run, or a machine cannot see the store.
        """

    def make(
        self, runs: Sequence[SelectedRun], context: RunContext, emit: SendEvent, lost: LostRunHandler
    ) -> Iterator[RunRecord]:
        """Yield the record of every run as it ends; the record is in the store by then.

        ``emit`` gets the events before a run's end. A ``KeyboardInterrupt`` is raised again after the started runs have
        written their records.
        """
