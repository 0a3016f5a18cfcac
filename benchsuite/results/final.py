"""The final numbers of a finished run, and the test whether its times may be compared."""

from __future__ import annotations

from benchsuite.records.model import RunRecord

TOP5_CLASSES = 11
"""Smallest number of classes for which the top-5 error is shown. Records have it from 6 classes, but five of 10
classes are half: a random guess is right every second time."""

MIN_PROCESSOR_SHARE = 0.8
"""Fraction of one core that a CPU run must have had during training for its times to be comparable."""

WAITED = f"these had less than {MIN_PROCESSOR_SHARE} of a CPU core (busy machine or slow data loading)"


def final_error(record: RunRecord) -> float | None:
    """Return the test error that is the run's result, as recorded; None unless the run completed."""
    return record.final_test.error if record.final_test else None


def final_top5_error(record: RunRecord) -> float | None:
    """Return the top-5 error of the same measurement as the test error, for data with enough classes."""
    if record.data is None or record.data.classes < TOP5_CLASSES:
        return None
    return record.final_test.top5_error if record.final_test else None


def final_train_error(record: RunRecord) -> float | None:
    """Return the error on the whole training set after the last epoch; None unless completed and measured."""
    return record.final_train.error if record.final_train else None


def waited_for_processor(record: RunRecord) -> bool:
    """Return True if other processes used the cores while a run trained on the CPU; False if that was not measured."""
    timing = record.timing
    if record.hardware.device != "cpu" or timing.train_processor_s is None:
        return False
    return timing.train_processor_s < MIN_PROCESSOR_SHARE * timing.train_time_s
