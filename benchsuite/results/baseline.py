"""Compare a row with the baseline: the gap between their test errors, and the relative time per step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.final import WAITED
from benchsuite.results.grouping import short_hash
from benchsuite.results.model import BASELINE_RULE, Cost, Gap
from benchsuite.results.row_records import RowRecords
from benchsuite.results.statistics import median, paired_difference


def gap_to_baseline(
    row_records: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any], labels: dict[str, str]
) -> Gap:
    """Return a row's test error minus the baseline's, paired by seed, or the reason why there is no difference.

    Args:
        row_records: the records of the row.
        table_records: the records of all rows of the table.
        usual: the protocol that most rows have.
        labels: the label of each row, by its key.

    """
    baseline = partner_of(row_records, table_records, usual)
    if baseline is row_records:
        return Gap(None, "this is the baseline")
    if baseline is None:
        return Gap(None, f"no completed run of {BASELINE_RULE} in this table")
    difference = paired_difference(row_records.test_errors, baseline.test_errors)
    if difference is None:
        return Gap(None, f"no seed was completed both here and by {labels[baseline.key]}")
    remark = f"against {labels[baseline.key]}, {difference.n} paired seed{'s' if difference.n > 1 else ''}"
    if baseline.protocol != row_records.protocol:
        remark += "; its protocol differs"
    if baseline.conditions["hardware class"] != row_records.conditions["hardware class"]:
        remark += "; on another hardware class"
    return Gap(difference, remark, baseline_row=short_hash(baseline.key))


def cost_of(row_records: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any]) -> Cost:
    """Return the time per step relative to the baseline's, or the reason why the two may not be compared.

    Args:
        row_records: the records of the row.
        table_records: the records of all rows of the table.
        usual: the protocol that most rows have.

    """
    own = median_of(row_records.timed, "step_time_ms")
    if own is None:
        waited = len(row_records.timed) < len(row_records.counted)
        return Cost(None, WAITED if waited else "no completed run with a measured step", waited)
    of_baseline = _rows_named(BASELINE_RULE, row_records, table_records)
    if not of_baseline:
        return Cost(None, f"no completed run of {BASELINE_RULE} in this table")
    baselines = [b for b in of_baseline if median_of(b.timed, "step_time_ms")]
    if not baselines:
        waited = any(len(b.timed) < len(b.counted) for b in of_baseline)
        why = WAITED if waited else "none was measured"
        return Cost(None, f"no time of {BASELINE_RULE} to compare with: {why}", waited)
    alike = [b for b in baselines if b.conditions == row_records.conditions]
    if not alike:
        nearest = max(baselines, key=lambda b: sum(b.conditions[k] == v for k, v in row_records.conditions.items()))
        unlike = [k for k, v in row_records.conditions.items() if nearest.conditions[k] != v]
        return Cost(None, f"not comparable with {BASELINE_RULE}: another {' and another '.join(unlike)}")
    baseline = min(
        alike,
        key=lambda b: (
            b is not row_records,
            b.is_variant,
            b.protocol != row_records.protocol,
            b.protocol != usual,
            b.key,
        ),
    )
    reference = median_of(baseline.timed, "step_time_ms") or 0.0
    remark = f"{own:.4g} ms per step against {reference:.4g} ms of {BASELINE_RULE}, medians over runs"
    steps, reference_steps = ({r.hardware.step for r in b.counted} for b in (row_records, baseline))
    if steps != reference_steps:
        remark += f"; {'/'.join(sorted(steps))} against {'/'.join(sorted(reference_steps))}"
    return Cost(own / reference, remark)


def partner_of(
    row_records: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any], name: str = BASELINE_RULE
) -> RowRecords | None:
    """Return a rule's or variant's row that is most similar to this one: first in its protocol, then in its hardware.

    Args:
        row_records: the records of the row.
        table_records: the records of all rows of the table.
        usual: the protocol that most rows have.
        name: name of the rule or variant.

    """
    here = row_records.first.hardware
    return min(
        _rows_named(name, row_records, table_records),
        key=lambda b: (
            b is not row_records,
            b.protocol != row_records.protocol,
            b.is_variant,
            b.protocol != usual,
            b.first.hardware.hardware_class != here.hardware_class,
            b.first.hardware.precision != here.precision,
            b.key,
        ),
        default=None,
    )


def _rows_named(name: str, row_records: RowRecords, table_records: Sequence[RowRecords]) -> list[RowRecords]:
    """Return the rows of a rule or variant that a row may be compared with: for a variant of the rule, no variants."""
    rows = [b for b in table_records if name in {b.first.spec.rule.name, b.name} and b.counted]
    is_of_rule = row_records.is_variant and row_records.first.spec.rule.name == name
    return [b for b in rows if not b.is_variant] if is_of_rule else rows


def median_of(records: Sequence[RunRecord], name: str) -> float | None:
    """Return the median of a field of the records' timing, over the records that have it."""
    return median([v for r in records if (v := getattr(r.timing, name)) is not None])
