"""Search: the trials of some tunings in this process and in helper processes, and the records of what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchsuite.execution.environment import environment_of
from benchsuite.execution.run_factory import RunFactory
from benchsuite.records.keys import run_result_key
from benchsuite.records.model import DataUsed
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.specs.search_space import tuning_hash, tuning_id
from benchsuite.tuning.rounds import Rounds
from benchsuite.tuning.storage import TrialStorage
from benchsuite.tuning.trials import ReportTrial, make_trials, store_of_tunings


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

    The process that made a tuning's last trial writes its record at once: what comes later cannot lose it.

    Args:
        tunings: the tunings.
        storage: shared by all processes; from ``open_storage``.
        factory: makes the runs; its store is for runs of trials, and lies in the store of the records.
        report: called after each trial of this process.
        is_wanted: returns False if no further trial should begin.
        fill: True to enter trials that are missing or crashed before; one process of a command does.

    Raises:
        KeyboardInterrupt: if it was interrupted.
        StoreError: if records cannot be written.

    """
    all_rounds = [Rounds(storage, each.study_name, each.spec) for each in tunings]
    for rounds in all_rounds if fill else ():
        rounds.fill()
    for place in make_trials(all_rounds, factory, [each.command for each in tunings], report, is_wanted):
        _keep(tunings[place], all_rounds[place], storage, factory)
    kept = [_keep(tuning, rounds, storage, factory) for tuning, rounds in zip(tunings, all_rounds, strict=True)]
    return [record for record in kept if record is not None]


def records_in_store(tunings: Sequence[Searched], factory: RunFactory) -> list[TuningRecord]:
    """Return the records of those tunings that are complete in the store."""
    found = (store_of_tunings(factory).find_tuning(tuning_id(each.spec)) for each in tunings)
    return [record for record, each in zip(found, tunings, strict=True) if record and _is_of(record, each)]


def _is_of(record: TuningRecord, tuning: Searched) -> bool:
    return record.result_key == tuning.result_key


def _keep(tuning: Searched, rounds: Rounds, storage: TrialStorage, factory: RunFactory) -> TuningRecord | None:
    """Return a complete tuning's record as it is in the store, written now if it was not there; None if incomplete."""
    if not rounds.is_complete():
        return None
    store, record = store_of_tunings(factory), _record(tuning, rounds, factory)
    with storage.locked():  # two processes may end the last two trials at once
        written = store.find_tuning(record.tuning_id)
        if written and _is_of(written, tuning) and written.trials == record.trials:
            return written
        store.write_tuning(record)
    return record


def _record(tuning: Searched, rounds: Rounds, factory: RunFactory) -> TuningRecord:
    started_at, ended_at = rounds.span()
    loaded = factory.loader.load(tuning.spec.run.dataset)
    return TuningRecord(
        tuning_id=tuning_id(tuning.spec),
        spec_hash=tuning_hash(tuning.spec),
        result_key=tuning.result_key,
        spec=tuning.spec,
        trials=tuple(rounds.results()),
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
