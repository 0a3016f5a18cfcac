"""The queue of one tuning's trials, shared by any number of processes.

All trials of the budget are entered at the start, each with its number in the sequence of settings, its *point*. A
process claims a waiting trial, makes its run and enters the result. If the process is lost, its trial is marked as
failed and the point is entered again; so each point has exactly one completed trial in the end. Entries that two
processes made for one point at the same time are told apart by their numbers: the lower one counts.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchsuite.records.model import FINAL_STATUSES
from benchsuite.records.running import HEARTBEAT_S, LEASE_S, process_is_alive, process_started_at
from benchsuite.records.tuning import TrialResult
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.tuning.storage import TrialStorage

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

POINT = "point"
OWNER = "owner"
BEAT = "beat"
RESULT = "result"

SILENCE_S = LEASE_S
"""Time without a sign of life after which a process on another machine counts as lost; as for runs."""


@dataclass(frozen=True)
class Claim:
    """A trial that this process makes.

    Attributes:
        trial_id: the storage's id of the trial.
        point: number in the sequence of settings.
        settings: value of each searched field.

    """

    trial_id: int
    point: int
    settings: dict[str, float | int]


@dataclass
class TrialQueue:
    """The trials of one tuning.

    Args:
        storage: shared by all processes.
        name: of the study in the storage; the same for all processes.
        spec: the tuning.
        settings: of the trials, by point.
        first_number: of point 0 in the tuning.

    """

    storage: TrialStorage
    name: str
    spec: TuningSpec
    settings: list[dict[str, float | int]]
    first_number: int = 0
    _study_id: int = field(init=False)
    _heard: dict[int, tuple[Any, float]] = field(init=False, default_factory=dict)
    """By trial of another machine: its last sign of life, and when it was seen first."""

    def __post_init__(self) -> None:
        """Open the study, or create it."""
        import optuna

        with self.storage.locked():
            optuna.create_study(storage=self.storage.trials, study_name=self.name, load_if_exists=True)
            self._study_id = self.storage.trials.get_study_id_from_name(self.name)

    def fill(self) -> None:
        """Enter every point that has no trial yet, or whose trial crashed or was given back."""
        with self.storage.locked():
            there = {point for point, trials in self._by_point().items() if any(map(_counts, trials))}
            for point in range(len(self.settings)):
                if point not in there:
                    self._enter(point)

    def claim(self) -> Claim | None:
        """Claim a waiting trial for this process; None if none is waiting."""
        from optuna.trial import TrialState

        with self.storage.locked():
            for point, trials in self._by_point().items():
                for trial in trials:
                    if trial.state != TrialState.WAITING:
                        continue
                    if any(_counts(other) and other.number < trial.number for other in trials):
                        self._set_state(trial._trial_id, TrialState.FAIL)  # entered twice
                    elif self._set_state(trial._trial_id, TrialState.RUNNING):
                        self.storage.trials.set_trial_user_attr(trial._trial_id, OWNER, _this_process())
                        return Claim(trial._trial_id, point, self.settings[point])
        return None

    def enter_result(self, claim: Claim, result: TrialResult) -> None:
        """Enter a trial's result; ignored if the trial was taken from this process, which seemed lost, meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        ended = result.status in FINAL_STATUSES
        value = float("inf") if result.validation_error is None else result.validation_error
        try:
            self.storage.trials.set_trial_user_attr(claim.trial_id, RESULT, result.model_dump_json())
            state, values = (TrialState.COMPLETE, [value]) if ended else (TrialState.FAIL, None)
            self.storage.trials.set_trial_state_values(claim.trial_id, state, values)
        except UpdateFinishedTrialError:
            return

    def give_back(self, claim: Claim) -> None:
        """Enter a claimed point again, for another process or the next command."""
        from optuna.trial import TrialState

        with self.storage.locked():
            if self._set_state(claim.trial_id, TrialState.FAIL):
                self._enter(claim.point)

    def release_lost(self) -> int:
        """Enter the points of lost processes again; return the number of trials that living processes are making."""
        from optuna.trial import TrialState

        alive = 0
        for point, trials in self._by_point().items():
            for trial in trials:
                if trial.state != TrialState.RUNNING:
                    continue
                if self._may_be_alive(trial):
                    alive += 1
                else:
                    self.give_back(Claim(trial._trial_id, point, self.settings[point]))
        return alive

    def has_waiting(self) -> bool:
        """Return True if a trial is waiting."""
        from optuna.trial import TrialState

        return any(trial.state == TrialState.WAITING for trials in self._by_point().values() for trial in trials)

    def results(self) -> list[TrialResult]:
        """Return the results of all points that have one: of its completed trial, or of the last that crashed."""
        found: dict[int, TrialResult] = {}
        for point, trials in self._by_point().items():
            with_result = [trial for trial in trials if RESULT in trial.user_attrs]
            done = [trial for trial in with_result if _counts(trial)] or with_result[-1:]
            if done:
                found[point] = TrialResult.model_validate_json(done[0].user_attrs[RESULT])
        return [found[point] for point in sorted(found)]

    def is_complete(self) -> bool:
        """Return True if every point has a result, and none whose trial crashed is being tried again."""
        by_point = self._by_point()
        return len(by_point) == len(self.settings) and all(map(_has_settled, by_point.values()))

    def times(self) -> list[datetime]:
        """Return the starts and ends of all trials that were made."""
        trials = [trial for trials in self._by_point().values() for trial in trials if RESULT in trial.user_attrs]
        found = [time for trial in trials for time in (trial.datetime_start, trial.datetime_complete) if time]
        return [time.astimezone(UTC) for time in found]  # Optuna's are of the local time zone

    @contextmanager
    def kept_alive(self, claim: Claim) -> Iterator[None]:
        """Give signs of life for a claim during the block."""
        stop = threading.Event()

        def beat() -> None:
            count = 0
            while not stop.wait(HEARTBEAT_S):
                count += 1
                # Taken away meanwhile, or the database does not answer: the next one may arrive.
                with suppress(Exception):
                    self.storage.trials.set_trial_user_attr(claim.trial_id, BEAT, count)

        thread = threading.Thread(target=beat, name="trial-signs-of-life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _by_point(self) -> dict[int, list[FrozenTrial]]:
        """Return all trials by point, each list in the order of entry."""
        found: dict[int, list[FrozenTrial]] = {}
        trials: Sequence[FrozenTrial] = self.storage.trials.get_all_trials(self._study_id, deepcopy=False)
        for trial in sorted(trials, key=lambda each: each.number):
            if isinstance(point := trial.user_attrs.get(POINT), int) and point < len(self.settings):
                found.setdefault(point, []).append(trial)
        return found

    def _enter(self, point: int) -> None:
        from optuna.distributions import FloatDistribution
        from optuna.trial import TrialState, create_trial

        ranges = {d.field: FloatDistribution(d.low, d.high, log=d.log) for d in self.spec.space}
        settings = self.settings[point]
        # Rounding may have moved a value out of its range.
        values = {name: min(max(float(settings[name]), of.low), of.high) for name, of in ranges.items()}
        trial = create_trial(
            state=TrialState.WAITING, params=values, distributions=dict(ranges), user_attrs={POINT: point}
        )
        self.storage.trials.create_new_trial(self._study_id, template_trial=trial)

    def _set_state(self, trial_id: int, state: Any) -> bool:
        """Claim a trial, or end it without a result; return False if another process was first."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            return bool(self.storage.trials.set_trial_state_values(trial_id, state))
        except UpdateFinishedTrialError:
            return False

    def _may_be_alive(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(OWNER)
        if isinstance(owner, dict) and owner.get("host") == socket.gethostname():
            return process_is_alive(int(owner["pid"]), owner.get("started_at"))
        # Another machine's clock may differ: only how long this process has heard nothing new counts.
        sign, now = (owner, trial.user_attrs.get(BEAT)), time.monotonic()
        before, since = self._heard.get(trial._trial_id, (None, now))
        if before != sign:
            self._heard[trial._trial_id] = sign, now
            return True
        return now - since < SILENCE_S


def _counts(trial: FrozenTrial) -> bool:
    """Return True unless a trial ended without a result."""
    from optuna.trial import TrialState

    return trial.state != TrialState.FAIL


def _has_settled(trials: Sequence[FrozenTrial]) -> bool:
    """Return True if the trial of a point that counts has ended, or if none counts and one has crashed."""
    from optuna.trial import TrialState

    counting = next(filter(_counts, trials), None)
    return counting.state == TrialState.COMPLETE if counting else any(RESULT in each.user_attrs for each in trials)


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started_at": process_started_at(pid)}
