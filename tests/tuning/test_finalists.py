"""Oracle: the trials' own results. The best of them run again at full length, and the best of these is chosen."""

from __future__ import annotations

import os
import signal

import pytest
import torch._dynamo  # noqa: F401 - takes seconds: here once, rather than in each forked process
from pydantic import ValidationError

from benchsuite.records.check_tuning import tuning_problems
from benchsuite.records.checks import inconsistencies
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.search_space import tuning_hash
from benchsuite.tuning.search import search, searched
from benchsuite.tuning.storage import open_storage

from ..factories import make_tuning as made_record
from .test_trials import in_children, nothing

FULL = {"protocol": {"epochs": 5}}


def test_the_best_trials_run_again_at_full_length_and_the_best_of_these_is_chosen(make_tuning, factory, tmp_path):
    """Catches finalists that are the first trials, that run as short as trials, or that decide nothing."""
    tuning = searched(make_tuning(trials=4, finalists=2, **FULL), "benchsuite tune tiny", factory)
    (record,) = search([tuning], open_storage(f"sqlite:///{tmp_path}/trials.db"), factory, nothing)
    best = sorted(record.sampled, key=lambda trial: trial.rank)[:2]
    assert [trial.number for trial in record.trials] == list(range(6))
    assert [trial.settings for trial in record.finalists] == [trial.settings for trial in best]
    assert [trial.epochs for trial in record.trials] == [2] * 4 + [5] * 2
    assert record.best == min(record.finalists, key=lambda trial: trial.rank)
    assert not inconsistencies(record)


def test_settings_that_fail_in_a_full_run_are_not_chosen():
    """Catches a rate that is best after a few epochs, and diverges in a full run."""
    record = made_record(errors=(0.3, 0.1, None, 0.2), finalists=(None, 0.15))
    assert record.best_sampled == record.trials[1]
    assert record.best == record.trials[5]
    assert record.best.settings == record.trials[3].settings
    assert made_record(errors=(0.3, 0.1), finalists=(None,)).best.number == 1, "no finalist completed"
    assert made_record(errors=(None, None)).best is None


def test_a_process_killed_at_a_finalist_loses_that_run_at_most(make_tuning, factory, tmp_path):
    """Catches finalists that are lost with a process, made twice, or chosen anew from half of the results."""
    tuning = searched(make_tuning(trials=2, finalists=2, **FULL), "benchsuite tune tiny", factory)
    address, runs = f"sqlite:///{tmp_path}/trials.db", factory.store.records_folder

    def work():
        execute = factory.execute

        def killed(run):
            if len(list(runs.glob("*.json"))) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(run)

        factory.execute = killed
        search([tuning], open_storage(address), factory, nothing)

    assert in_children(1, work) == [signal.SIGKILL]
    made = {path.name: path.stat().st_mtime_ns for path in runs.glob("*.json")}
    assert in_children(2, lambda: search([tuning], open_storage(address), factory, nothing, fill=False)) == [0, 0]
    (record,) = search([tuning], open_storage(address), factory, nothing)
    assert len(record.finalists) == 2
    assert len(list(runs.glob("*.json"))) == 4
    assert all((runs / name).stat().st_mtime_ns == time for name, time in made.items())
    assert not inconsistencies(record)


def test_lint_sees_finalists_that_are_not_the_best_trials():
    """Catches settings that somebody has put in a record by hand."""
    record = made_record(errors=(0.3, 0.1, None, 0.2), finalists=(0.2, 0.15))
    assert list(tuning_problems(record)) == []
    swapped = record.model_copy(
        update={"trials": (*record.sampled, *(t.model_copy(update={"number": 9 - t.number}) for t in record.finalists))}
    )
    assert any("expected numbers" in problem for problem in tuning_problems(swapped))
    other = record.finalists[0].model_copy(update={"settings": record.trials[0].settings})
    changed = record.model_copy(update={"trials": (*record.sampled, other, record.finalists[1])})
    assert any("the trial of that rank has" in problem for problem in tuning_problems(changed))


def test_a_budget_without_finalists_is_hashed_as_before(make_tuning):
    """Catches tunings of before that are made anew, since their budget has a field more."""
    assert set(TuningBudget().model_dump()) == {"trials", "epochs", "sampler_seed", "seed"}
    hashes = [tuning_hash(make_tuning(finalists=finalists)) for finalists in (0, 1, 2)]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("budget", "message"),
    [({"trials": 2, "finalists": 3}, "there are 2 trials to choose them from"), ({"final_epochs": 3}, "no finalists")],
)
def test_a_budget_that_makes_no_sense_is_refused(budget, message):
    with pytest.raises(ValidationError, match=message):
        TuningBudget(**budget)
