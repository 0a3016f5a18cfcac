"""Compare a row with the baseline: the gap between their test errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.grouping import short_hash
from benchsuite.results.model import BASELINE_RULE, Gap
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
        missing = f"no completed run of {BASELINE_RULE} in this table"
        return Gap(None, "this is the baseline" if is_tuned_baseline(row_records) else missing)
    difference = paired_difference(row_records.test_errors, baseline.test_errors)
    if difference is None:
        return Gap(None, f"no seed was completed both here and by {labels[baseline.key]}")
    remark = f"against {labels[baseline.key]}, {difference.n} paired seed{'s' if difference.n > 1 else ''}"
    if baseline.protocol != row_records.protocol:
        remark += "; its protocol differs"
    if baseline.conditions["hardware class"] != row_records.conditions["hardware class"]:
        remark += "; on another hardware class"
    return Gap(difference, remark, baseline_row=short_hash(baseline.key))


def is_tuned_baseline(row_records: RowRecords) -> bool:
    """Return True if other tuned rows are compared with this one; a control with a frozen lower half is none."""
    is_baseline = row_records.first.spec.rule.name == BASELINE_RULE and row_records.is_tuned
    learns_in_all = row_records.first.spec.protocol.frozen == "none"
    return is_baseline and learns_in_all and bool(row_records.counted) and not row_records.is_superseded


def partner_of(
    row_records: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any], name: str = BASELINE_RULE
) -> RowRecords | None:
    """Return a rule's or variant's row that is most similar to this one.

    First it is tuned or not as this row is, so that equal effort is compared; then its protocol, the track's own
    settings of the rule, and its hardware decide.

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
            b.is_tuned != row_records.is_tuned,
            b.is_superseded,
            b.protocol != row_records.protocol,
            bool(b.changed_settings),
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
