"""Compare two rules on every track that both were run on: paired differences, or reasons for none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from benchsuite.api.display import Displayed, Part
from benchsuite.api.fitting import Cell, Column, FittedTable
from benchsuite.api.options import PathLike
from benchsuite.api.records import as_records
from benchsuite.errors import EmptySelectionError, nearest
from benchsuite.records.model import RunRecord
from benchsuite.results.formatting import interval, mean_sd, p_value, points
from benchsuite.results.model import Estimate, RuleRow, TrackTable
from benchsuite.results.statistics import paired_difference

Better = Literal["left", "right", "undecided"]


@dataclass(frozen=True)
class ComparedRows:
    """Two rules under the same conditions: same data, network, protocol and hardware class.

    Attributes:
        table: the track, tier, data and network.
        left: the first rule's row; ``.test_error`` is its mean over seeds.
        right: the second rule's row.
        difference: test error of left minus right, as a fraction, paired by seed, with its 95 % interval.
        p_value: of the paired t-test, corrected over the track's planned comparisons; None if this is none of them.

    """

    table: TrackTable
    left: RuleRow
    right: RuleRow
    difference: Estimate
    p_value: float | None

    @property
    def better(self) -> Better:
        """The side with the lower error, if the whole interval is on that side."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "undecided"
        return "left" if high < 0 else "right"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for the reader: seeds that failed and are not in the numbers."""
        return tuple(
            f"{row.label}: {row.completed} of {row.total} seeds" for row in (self.left, self.right) if not row.complete
        )


@dataclass(frozen=True)
class NotCompared:
    """A track on which both rules were run, but under conditions that cannot be compared.

    Attributes:
        track: name of the track.
        tier: tier of the runs.
        left: label of the first rule's row.
        right: label of the second rule's most similar row.
        reasons: differences that prevent the comparison.

    """

    track: str
    tier: str
    left: str
    right: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line."""
        return f"not compared: {self.left} with {self.right} on {self.track} ({self.tier}): {'; '.join(self.reasons)}"


@dataclass(frozen=True, repr=False)
class RuleComparison(Displayed):
    """Comparison of two rules on all tracks that both were run on. Iterate over it for the compared pairs of rows.

    Attributes:
        left: name of the first rule.
        right: name of the second.
        rows: pairs of rows, by track and tier.
        not_compared: the other pairs, with reasons.

    """

    left: str
    right: str
    rows: tuple[ComparedRows, ...]
    not_compared: tuple[NotCompared, ...]

    def __iter__(self) -> Iterator[ComparedRows]:
        """Iterate over the pairs of rows that were compared."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Return the number of pairs of rows that were compared."""
        return len(self.rows)

    def __repr__(self) -> str:
        """Return the counts in one line."""
        counts = {side: sum(row.better == side for row in self.rows) for side in ("left", "right", "undecided")}
        return (
            f"<RuleComparison: {self.left} better than {self.right} in {counts['left']}, worse in {counts['right']}, "
            f"undecided in {counts['undecided']}, not compared in {len(self.not_compared)}>"
        )

    def parts(self) -> Sequence[Part]:
        """Return the table of differences and a line for each pair that was not compared."""
        title = f"test error of {self.left} less {self.right}, in points"
        columns = [
            Column("track"),
            Column("tier", importance=3),
            Column(f"{self.left} %", importance=4, right=True),
            Column(f"{self.right} %", importance=4, right=True),
            Column("difference", right=True),
            Column("95 % interval", right=True),
            Column("p (Holm)", importance=2, right=True),
            Column("pairs", importance=1, right=True),
            Column("better"),
            Column("remarks", importance=0, wraps=True),
        ]
        table = FittedTable(columns, title)
        for row in self.rows:
            table.add_row(*_cells(row, self.left, self.right))
        return [table, *map(str, self.not_compared)]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data; errors are fractions."""
        return {
            "left": self.left,
            "right": self.right,
            "rows": [_as_data(row) for row in self.rows],
            "not_compared": [
                {"track": n.track, "tier": n.tier, "left": n.left, "right": n.right, "reasons": list(n.reasons)}
                for n in self.not_compared
            ],
        }


def compare(
    records: Iterable[RunRecord] | PathLike, left: str, right: str, *, own_protocols: bool = False
) -> RuleComparison:
    """Compare two rules on every track that both were run on.

    Runs are compared only where data, network, protocol, hardware class and precision are the same. At one seed index,
    all rules share the network and the order of examples, so differences are paired by seed.

    Args:
        records: records of runs, or a folder of records.
        left: name of the first rule or variant.
        right: name of the second; its error is subtracted from the first's.
        own_protocols: also compare rules that were trained by different protocols; some tracks give a rule its own
            learning rate or regulariser.

    Returns:
        A comparison: iterate over it, or print ``.table()``; ``.not_compared`` has the reasons.

    Raises:
        EmptySelectionError: if there are no records of one of the rules.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules=["backprop", "feedback_alignment"], seeds=3, tier="smoke")
        >>> comparison = bs.compare(results.records, "feedback_alignment", "backprop")
        >>> for row in comparison:
        ...     print(row.table.track, row.difference.n, "pairs")
        digits-fc 3 pairs

    """
    tables = as_records(records).tables
    names = sorted({row.variant or row.rule for table in tables for row in table.rows})
    for name in (left, right):
        if name not in names:
            known = f"{nearest(name, names)}; there are {', '.join(names) or 'none'}"
            raise EmptySelectionError(f"no records of the rule '{name}'{known}")
    rows: list[ComparedRows] = []
    not_compared: list[NotCompared] = []
    for _, of_track in groupby(tables, key=lambda table: (table.track, table.tier)):
        for outcome in _compare_on_track(list(of_track), left, right, own_protocols):
            if isinstance(outcome, ComparedRows):
                rows.append(outcome)
            else:
                not_compared.append(outcome)
    return RuleComparison(left, right, tuple(rows), tuple(not_compared))


def _compare_on_track(
    tables: Sequence[TrackTable], left: str, right: str, own_protocols: bool
) -> Iterator[ComparedRows | NotCompared]:
    """Yield the comparison of each row of the left rule, or the reasons for none; nothing if one rule has no row."""
    others = [(table, row) for table in tables for row in table.rows if (row.variant or row.rule) == right]
    if not others:
        return
    for table in tables:
        for row in (row for row in table.rows if (row.variant or row.rule) == left):
            obstacles = [(_obstacles(table, row, *other, own_protocols), *other) for other in others]
            alike = [other for reasons, _, other in obstacles if not reasons]
            for other in alike:
                yield _compared(table, row, other)
            if not alike:
                reasons, _, other = min(obstacles, key=lambda found: len(found[0]))
                yield NotCompared(table.track, table.tier, row.label, other.label, tuple(reasons))


def _obstacles(
    table: TrackTable, row: RuleRow, other_table: TrackTable, other: RuleRow, own_protocols: bool
) -> list[str]:
    """Return the reasons why two rows cannot be compared; empty if they can."""
    found = []
    if table is not other_table:
        fields = ", ".join(difference.field for difference in table.differences)
        found.append(f"other data or another network ({fields or 'fingerprint'})")
    if row.hardware_class != other.hardware_class:
        found.append(f"another hardware class ({row.hardware_class} against {other.hardware_class})")
    if row.precision != other.precision:
        found.append(f"another precision ({row.precision} against {other.precision})")
    if row.protocol_differences != other.protocol_differences and not own_protocols:
        differences = set(row.protocol_differences) ^ set(other.protocol_differences)
        fields = ", ".join(sorted({d.field.removeprefix("protocol.") for d in differences}))
        found.append(f"another protocol ({fields}); pass own_protocols=True to compare them anyway")
    return found


def _compared(table: TrackTable, row: RuleRow, other: RuleRow) -> ComparedRows | NotCompared:
    difference = paired_difference(row.test_errors, other.test_errors)
    if difference is None:
        return NotCompared(table.track, table.tier, row.label, other.label, ("no seed that both completed",))
    planned = row.against(other.row_id) or other.against(row.row_id)
    return ComparedRows(table, row, other, difference, planned.p_value if planned else None)


def _cells(row: ComparedRows, left: str, right: str) -> list[Cell]:
    words = {"left": left, "right": right, "undecided": "–"}
    remarks = [*row.remarks]
    if row.left.label != left or row.right.label != right:
        remarks.insert(0, f"{row.left.label} with {row.right.label}")
    return [
        row.table.track,
        row.table.tier,
        mean_sd(row.left.test_error),
        mean_sd(row.right.test_error),
        points(row.difference.mean),
        interval(row.difference, signed=True),
        p_value(row.p_value),
        str(row.difference.n),
        words[row.better],
        "; ".join(remarks),
    ]


def _as_data(row: ComparedRows) -> dict[str, Any]:
    difference = row.difference
    return {
        "track": row.table.track,
        "tier": row.table.tier,
        "left": row.left.label,
        "right": row.right.label,
        "hardware_class": row.left.hardware_class,
        "precision": row.left.precision,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "pairs": difference.n,
        "p_value": row.p_value,
        "better": row.better,
        "remarks": list(row.remarks),
    }
