"""The numbers that a finished run stands for, and whether its times may be compared."""

from __future__ import annotations

from benchsuite.records.model import RunRecord

TOP5_CLASSES = 11
"""Fewest classes with which the top-5 error is shown. Records have it from 6 on, but of 10 classes five are half:
whoever guesses is right every other time."""

MIN_PROCESSOR_SHARE = 0.8
"""Of one core, that a run on the CPU must have had while it trained for its times to say anything of the rule."""

WAITED = f"they had less than {MIN_PROCESSOR_SHARE} of a core: the machine was busy, or data came slowly"


def final_error(record: RunRecord) -> float | None:
    """Return the test error that is the run's result, as the record has it; None unless the run completed."""
    return record.final_test.error if record.final_test else None


def final_top5_error(record: RunRecord) -> float | None:
    """Return the top-5 error from the same measurement as the test error, for data with enough classes."""
    if record.data is None or record.data.classes < TOP5_CLASSES:
        return None
    return record.final_test.top5_error if record.final_test else None


def final_train_error(record: RunRecord) -> float | None:
    """Return the error of the whole training set after the last epoch of a completed run that measured it."""
    return record.final_train.error if record.final_train else None


def waited_for_processor(record: RunRecord) -> bool:
    """Return whether others had the processors while a run on the CPU trained; False where that was not measured."""
    timing = record.timing
    if record.hardware.device != "cpu" or timing.train_processor_s is None:
        return False
    return timing.train_processor_s < MIN_PROCESSOR_SHARE * timing.train_time_s
