"""Check the record of a tuning: its trials are worked out again from the spec."""

from __future__ import annotations

from collections.abc import Iterator

from benchsuite.records.tuning import TrialResult, TuningRecord, best_of
from benchsuite.specs.hashing import run_id
from benchsuite.specs.search_space import is_close, trial_settings

WHOLE = 0.01
"""Part of an example by which an error times the number of examples may miss a whole number, as in runs."""


def tuning_problems(record: TuningRecord) -> Iterator[str]:
    """Yield what contradicts the spec or itself among a tuning's trials and data."""
    if record.data.test_examples:
        yield f"data.test_examples: {record.data.test_examples}, but a tuning has read none"
    limit = record.spec.run.dataset.train_limit
    if limit is not None and record.data.train_examples > limit:
        yield f"data.train_examples: {record.data.train_examples}, but the spec's train_limit is {limit}"
    budget = record.spec.budget
    settings = trial_settings(record.spec) + [trial.settings for trial in best_of(record.sampled, budget.finalists)]
    if [trial.number for trial in record.trials] != list(range(len(settings))):
        yield f"trials: expected numbers 0 to {len(settings) - 1}, each once and in order"
        return
    for trial, expected in zip(record.trials, settings, strict=True):
        yield from (f"trials.{trial.number}.{problem}" for problem in _trial(record, trial, expected))


def _trial(record: TuningRecord, trial: TrialResult, expected: dict[str, float | int]) -> Iterator[str]:
    spec = record.spec
    if trial.settings.keys() != expected.keys() or not all(is_close(trial.settings[k], expected[k]) for k in expected):
        origin = "the sequence has" if trial.number < spec.budget.trials else "the trial of that rank has"
        yield f"settings: {trial.settings}, but {origin} {expected}"
        return
    run = spec.run_of_trial(trial.number, trial.settings)
    if trial.run_id != (found := run_id(run)):
        yield f"run_id: {trial.run_id}, but the spec and the settings give {found}"
    if trial.seed != spec.budget.seed:
        yield f"seed: {trial.seed}, but the budget's is {spec.budget.seed}"
    if trial.epochs > run.protocol.epochs:
        yield f"epochs: {trial.epochs}, but this trial has {run.protocol.epochs}"
    if trial.status != "completed":
        if trial.validation_error is not None:
            yield f"validation_error: there, but the status is {trial.status}"
        if not trial.reason:
            yield f"reason: missing, but the status is {trial.status}"
    elif trial.validation_error is None:
        yield "validation_error: missing, but the trial completed"
    elif abs(trial.validation_error * spec.run.holds_out - round(trial.validation_error * spec.run.holds_out)) > WHOLE:
        yield f"validation_error: {trial.validation_error:g} is no whole number of {spec.run.holds_out} examples"
