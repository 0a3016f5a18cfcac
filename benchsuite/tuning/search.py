"""Search: the trials of some tunings in this process and in helper processes, and the records of what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchsuite.execution.environment import environment_of
from benchsuite.execution.run_factory import RunFactory
from benchsuite.records.keys import run_result_key
from benchsuite.records.model import DataUsed
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.specs.search_space import tuning_hash, tuning_id
from benchsuite.tuning.queue import TrialQueue
from benchsuite.tuning.storage import TrialStorage
from benchsuite.tuning.trials import ReportTrial, make_trials


@dataclass(frozen=True)
class Searched:
    """One tuning, with the command that repeats it and the key of what can change its numbers."""

    spec: TuningSpec
    command: str
    result_key: str

    @property
    def study_name(self) -> str:
        """Name in Optuna's storage; another key, as after a change of the rule's code, begins anew."""
        run = self.spec.run
        return f"{run.track}/{run.tier}/{run.rule.name}/{self.result_key[:16]}"


def searched(spec: TuningSpec, command: str, factory: RunFactory) -> Searched:
    """Return a tuning with its result key; loads its data.

    Raises:
        DataError: if the data set is missing or damaged.

    """
    environment = environment_of(factory.registry, spec.run.rule.name, spec.run)
    data = factory.loader.load(spec.run.dataset)
    return Searched(spec, command, run_result_key(tuning_hash(spec), environment, data.fingerprint))


def search(
    tunings: Sequence[Searched],
    storage: TrialStorage,
    factory: RunFactory,
    report: ReportTrial,
    is_wanted: Callable[[], bool] = lambda: True,
    fill: bool = True,
) -> list[TuningRecord]:
    """Make all trials that are left, together with other processes; return the records of complete tunings.

    Args:
        tunings: the tunings.
        storage: shared by all processes; from ``open_storage``.
        factory: makes the runs; its store is for runs of trials.
        report: called after each trial of this process.
        is_wanted: returns False if no further trial should begin.
        fill: True to enter trials that are missing or crashed before; one process of a command does.

    Raises:
        KeyboardInterrupt: if it was interrupted.
        StoreError: if records cannot be written.

    """
    queues = [TrialQueue(storage, each.study_name, each.spec) for each in tunings]
    for queue in queues if fill else ():
        queue.fill()
    make_trials(queues, factory, [each.command for each in tunings], report, is_wanted)
    made = map(partial(_record, factory=factory), tunings, queues)
    return [record for record in made if record is not None]


def _record(tuning: Searched, queue: TrialQueue, factory: RunFactory) -> TuningRecord | None:
    """Return a tuning's record; None if a trial is missing."""
    results = queue.results()
    if len(results) < tuning.spec.budget.trials:
        return None
    started_at, ended_at = queue.span()
    loaded = factory.loader.load(tuning.spec.run.dataset)
    return TuningRecord(
        tuning_id=tuning_id(tuning.spec),
        spec_hash=tuning_hash(tuning.spec),
        result_key=tuning.result_key,
        spec=tuning.spec,
        trials=tuple(results[number] for number in sorted(results)),
        data=DataUsed(
            fingerprint=loaded.fingerprint,
            canonical=loaded.dataset.canonical,
            train_examples=len(loaded.dataset.train_targets),
            test_examples=0,
            classes=loaded.dataset.classes,
            input_shape=loaded.dataset.input_shape,
        ),
        environment=environment_of(factory.registry, tuning.spec.run.rule.name, tuning.spec.run),
        started_at=started_at,
        ended_at=ended_at,
        command=tuning.command,
    )
