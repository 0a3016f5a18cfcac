"""The trials of one tuning: those of the sequence of settings, then the finalists in runs of full length."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from benchsuite.records.tuning import TrialResult, best_of
from benchsuite.specs.hashing import canonical_json, sha256_of
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.specs.search_space import trial_settings
from benchsuite.tuning.queue import TrialQueue
from benchsuite.tuning.storage import TrialStorage


@dataclass
class Rounds:
    """The queues of one tuning, shared by any number of processes.

    The finalists are known once every other trial has ended. They follow from the results alone, so all processes enter
    the same ones.

    Args:
        storage: shared by all processes.
        name: of the tuning in the storage; the same for all processes.
        spec: the tuning.

    """

    storage: TrialStorage
    name: str
    spec: TuningSpec
    _sampled: TrialQueue = field(init=False)
    _finals: TrialQueue | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Open the queue of the sequence of settings."""
        self._sampled = TrialQueue(self.storage, self.name, self.spec, trial_settings(self.spec))

    def fill(self) -> None:
        """Enter all trials that are missing or crashed before, as far as they are known."""
        self._sampled.fill()
        if (finals := self._open_finals()) is not None:
            finals.fill()

    def queue(self) -> TrialQueue:
        """Return the queue whose trials are to be made now."""
        return self._open_finals() or self._sampled

    def is_complete(self) -> bool:
        """Return True if every trial, and every finalist, has a result."""
        if (finals := self._open_finals()) is not None:
            return finals.is_complete()
        return self._sampled.is_complete()

    def results(self) -> list[TrialResult]:
        """Return all results by number."""
        finals = self._open_finals()
        return self._sampled.results() + (finals.results() if finals else [])

    def span(self) -> tuple[datetime, datetime]:
        """Return the start of the first trial that was made and the end of the last."""
        finals = self._open_finals()
        times = self._sampled.times() + (finals.times() if finals else [])
        return min(times), max(times)

    def _open_finals(self) -> TrialQueue | None:
        """Return the queue of the finalists, or None if there are none, or not yet.

        A trial that crashed may be made again by a later command and change who the finalists are. So their queue has
        their settings in its name.
        """
        if not self.spec.budget.finalists or not self._sampled.is_complete():
            return None
        best = best_of(self._sampled.results(), self.spec.budget.finalists)
        settings = [trial.settings for trial in best]
        if not settings:
            return None  # no trial completed
        if self._finals is None or self._finals.settings != settings:
            name = f"{self.name}/finalists-{sha256_of(canonical_json(settings))[:16]}"
            self._finals = TrialQueue(self.storage, name, self.spec, settings, self.spec.budget.trials)
            self._finals.fill()
        return self._finals
