"""Check a run's epochs and times: counts, learning rates, fractions of whole examples, sums and medians."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median

from benchsuite.records.model import DataUsed, EpochMetrics, RunRecord, SetMetrics
from benchsuite.specs.learning_rate import learning_rate_at
from benchsuite.specs.models.protocol import ProtocolSpec

# Float64 sums in another order; numbers that were measured once agree far more closely.
CLOSE = 1e-6

# Part of an example by which a fraction times the number of examples may miss a whole number; float32 sums on some
# devices need this much.
WHOLE = 0.01

# A clock that the system corrects during a run may make it shorter by this much.
CLOCK_SLACK = timedelta(seconds=5)


def epochs_and_times(record: RunRecord) -> list[str]:
    """Return what contradicts the spec, the data or itself among a run's epochs and times."""
    spec = record.spec
    pretraining = spec.protocol.model_copy(
        update={
            "epochs": spec.pretraining.epochs,
            "batch_size": spec.pretraining.batch_size or spec.protocol.batch_size,
            "optimizer": spec.pretraining.optimizer or spec.protocol.optimizer,
            "stages": (),
        }
    )
    found = [
        *_curve("epochs", record.epochs, spec.protocol, record.data),
        *_curve("pretraining", record.pretraining, pretraining, record.data),
        *_measurements(record),
        *_times(record),
    ]
    if record.epochs and len(record.pretraining) < spec.pretraining.epochs:
        found.append(f"pretraining: {len(record.pretraining)} of {spec.pretraining.epochs} epochs before the first")
    return found


def _curve(field: str, epochs: Sequence[EpochMetrics], protocol: ProtocolSpec, data: DataUsed | None) -> Iterator[str]:
    numbers = [e.epoch for e in epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{field}: not numbered 1 to {len(numbers)}"
        return
    if len(numbers) > protocol.epochs:
        yield f"{field}: {len(numbers)}, but the spec has {protocol.epochs}"
        return
    for each in epochs:
        rate = learning_rate_at(protocol, each.epoch - 1)
        if not _is_close(each.learning_rate, rate):
            yield f"{field}.{each.epoch}.learning_rate: {each.learning_rate:g}, but the schedule gives {rate:g}"
        if data is not None:
            yield from _training(f"{field}.{each.epoch}", each, _examples_per_epoch(protocol, data.train_examples))


def _examples_per_epoch(protocol: ProtocolSpec, train_examples: int) -> int:
    return min(train_examples, protocol.steps_per_epoch(train_examples) * protocol.batch_size)


def _training(place: str, each: EpochMetrics, examples: int) -> Iterator[str]:
    if not _is_fraction_of(each.running_error, examples):
        yield f"{place}.running_error: {each.running_error:g} is no whole number of {examples} examples"
    if each.train_time_s > CLOSE and not _is_close(each.images_per_s * each.train_time_s, examples):
        yield (
            f"{place}.images_per_s: {each.images_per_s:g} for {each.train_time_s:g} s, but an epoch has {examples} "
            "examples"
        )


def _measurements(record: RunRecord) -> Iterator[str]:
    protocol, data = record.spec.protocol, record.data
    for each in record.epochs:
        due = each.epoch % protocol.evaluation.every_epochs == 0 or each.epoch == protocol.epochs
        # The loss of the run's last measurement may have been infinite.
        may_lack = record.status == "diverged" and each is record.epochs[-1]
        held_out = record.spec.holds_out
        wanted = {
            "test": due and record.spec.has_test,
            "train": due and protocol.evaluation.train_set,
            "validation": due and held_out > 0,
        }
        for part, expected in wanted.items():
            place = f"epochs.{each.epoch}.{part}"
            metrics: SetMetrics | None = getattr(each, part)
            if metrics is None:
                if expected and not may_lack:
                    yield f"{place}: missing, but the protocol measures it"
                continue
            if not expected:
                yield f"{place}: there, but the protocol does not measure it"
            examples = held_out if part == "validation" else getattr(data, f"{part}_examples", None)
            yield from _set_metrics(place, metrics, examples, data)
        if protocol.stop_at_zero_train_error and each.train and each.train.error == 0 and each is not record.epochs[-1]:
            yield f"epochs: more than {each.epoch}, but the protocol stops at zero training error"
            return
    for each in record.pretraining:
        if any(measured is not None for measured in (each.test, each.train, each.validation)):
            yield f"pretraining.{each.epoch}: measured on a whole set, which no pretraining is"


def _set_metrics(place: str, metrics: SetMetrics, examples: int | None, data: DataUsed | None) -> Iterator[str]:
    if examples is not None and metrics.examples != examples:
        yield f"{place}.examples: {metrics.examples}, but the data have {examples}"
    if not _is_fraction_of(metrics.error, metrics.examples):
        yield f"{place}.error: {metrics.error:g} is no whole number of {metrics.examples} examples"
    if metrics.loss < -CLOSE:
        yield f"{place}.loss: {metrics.loss:g}; no loss is below zero"
    top5 = metrics.top5_error
    if top5 is None:
        return
    if top5 > metrics.error + CLOSE:
        yield f"{place}.top5_error: {top5:g}, above the error, {metrics.error:g}"
    if not _is_fraction_of(top5, metrics.examples):
        yield f"{place}.top5_error: {top5:g} is no whole number of {metrics.examples} examples"
    if data is not None and data.classes <= 5:
        yield f"{place}.top5_error: there, but the data have {data.classes} classes"


def _times(record: RunRecord) -> Iterator[str]:
    timing, epochs = record.timing, record.epochs
    summed = sum(e.train_time_s for e in (*record.pretraining, *epochs))
    # A run that was stopped within an epoch has spent time that no epoch has.
    is_exact = record.status == "completed"
    if not (_is_close(timing.train_time_s, summed) or (timing.train_time_s > summed and not is_exact)):
        yield f"timing.train_time_s: {timing.train_time_s:g}, but the epochs' sum is {summed:g}"
    speed = median(e.images_per_s for e in epochs) if epochs else None
    if not _are_close(timing.images_per_s, speed):
        yield f"timing.images_per_s: {timing.images_per_s}, but the epochs' median is {speed}"
    if record.network is not None and record.data is not None:
        steps = record.spec.protocol.steps_per_epoch(record.data.train_examples)
        step_ms = 1000 * median(e.train_time_s for e in epochs) / steps if epochs else None
        if not _are_close(timing.step_time_ms, step_ms):
            yield f"timing.step_time_ms: {timing.step_time_ms}, but the epochs' times and steps give {step_ms}"
    spent_s = timing.train_time_s + timing.evaluation_time_s + timing.diagnostics_time_s + timing.setup_time_s
    spent_s += timing.compile_time_s or 0
    whole = record.ended_at - record.started_at if _same_kind(record) else None
    # The start of a resumed run is that of its last part.
    if whole is not None and not record.resumed and spent_s > 1.01 * (whole + CLOCK_SLACK).total_seconds():
        yield f"timing: {spent_s:.0f} s in all, but the run ended {whole.total_seconds():.0f} s after its start"


def _same_kind(record: RunRecord) -> bool:
    """Return True if both moments have a time zone, or neither: others cannot be subtracted."""
    return (record.started_at.tzinfo is None) == (record.ended_at.tzinfo is None)


def _is_fraction_of(value: float, examples: int) -> bool:
    number = value * examples
    return abs(number - round(number)) <= WHOLE


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-15)


def _are_close(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else _is_close(one, other)
