"""Read a comparison's metric from the record of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchsuite.papers.claim_cases import ArmPair
from benchsuite.records.model import RunRecord, SetMetrics
from benchsuite.results.final import TOP5_CLASSES
from benchsuite.specs.models.claim import COST, FRACTIONS, Comparison, Direction


def measured(record: RunRecord, comparison: Comparison, pair: ArmPair) -> float | None:
    """Return a comparison's metric for one run, a cost as logarithm; None unless the run completed and measured it."""
    if record.status != "completed":
        return None
    if comparison.metric == COST:
        return math.log(record.timing.step_time_ms) if record.timing.step_time_ms else None
    if not pair.most_of:
        return _value(record, comparison, pair.segment)
    values = [_value(record, comparison, segment) for segment in pair.most_of]
    return (
        deciding_value([value for value in values if value is not None], comparison.direction)
        if None not in values
        else None
    )


def deciding_value(values: Sequence[float], direction: Direction) -> float:
    """Return the value that is beyond a limit exactly if more than half of the values are.

    It is the median of an odd number of values, and of an even number the middle one that is nearer to the limit.
    """
    return sorted(values, reverse=direction == "higher")[len(values) // 2]


def _value(record: RunRecord, comparison: Comparison, segment: str | None) -> float | None:
    """Return the metric at the comparison's epoch, less that at ``since``."""
    if comparison.metric in FRACTIONS:
        values = _errors(record, comparison.metric)
        last = max((each.epoch for each in record.epochs), default=0)
    else:
        values = {
            d.epoch: d.value
            for d in record.diagnostics
            if d.diagnostic == comparison.metric and d.segment == segment and d.value is not None
        }
        last = max(values, default=0)
    epoch = last if comparison.epoch == "last" else comparison.epoch
    found = values.get(epoch)
    if comparison.since is None or found is None:
        return found
    earlier = values.get(comparison.since) if comparison.since < epoch else None
    return None if earlier is None else found - earlier


def _errors(record: RunRecord, metric: str) -> dict[int, float]:
    """Return an error or an accuracy by epoch; no top-5 error for few classes."""
    examples, _, kind = metric.partition("_")
    if kind == "top5_error" and (record.data is None or record.data.classes < TOP5_CLASSES):
        return {}
    found = {}
    for each in record.epochs:
        metrics: SetMetrics | None = getattr(each, examples)
        error = None if metrics is None else metrics.top5_error if kind == "top5_error" else metrics.error
        if error is not None:
            found[each.epoch] = 1 - error if kind == "accuracy" else error
    return found
