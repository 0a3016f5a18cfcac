"""Compare two rules over all tracks on which both were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from benchsuite.results.model import Estimate, RuleRow, TrackTable
from benchsuite.results.statistics import paired_difference
from benchsuite_leaderboard.matrix import main_rows, rules_of


@dataclass(frozen=True)
class PairLine:
    """Two rules on one table."""

    table: TrackTable
    """The table without its rows: a pair's page shows none but the two, and is kept while these are the same."""
    left: RuleRow
    right: RuleRow
    difference: Estimate | None
    """Test error of left minus right, paired by seed; None if they share no seed."""
    p_value: float | None
    """Corrected p-value if the track plans this comparison; None for any other."""

    @cached_property
    def better(self) -> str:
        """Return the side with the lower error: ``left``, ``right``, or nothing if the interval includes zero."""
        found = self.difference
        if found is None or found.low is None or found.high is None:
            return ""
        return "left" if found.high < 0 else "right" if found.low > 0 else ""


@dataclass(frozen=True)
class Pair:
    """Two rules on all tables that have both."""

    left: str
    right: str
    lines: tuple[PairLine, ...]

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return pair_address(self.left, self.right)

    @cached_property
    def left_better(self) -> int:
        """Return the number of tables where the left rule has the lower error, by the paired interval."""
        return sum(line.better == "left" for line in self.lines)

    @cached_property
    def right_better(self) -> int:
        """Return the number of tables where the right rule has the lower error, by the paired interval."""
        return sum(line.better == "right" for line in self.lines)


def pair_address(left: str, right: str) -> str:
    """Return the path of a pair's page within the site; the order of the two is that of ``rules_of``."""
    return f"compare/{left}/{right}.html"


def pairs_of(tables: Sequence[TrackTable]) -> Iterator[Pair]:
    """Yield every two rules that share a table, in the order of ``rules_of``."""
    rules = rules_of(tables)
    rows = {(t.table_id, rule): row for t in tables for rule, row in main_rows(t).items()}
    bare = [replace(table, rows=()) for table in tables]
    for left, right in combinations(rules, 2):
        found = ((t, rows.get((t.table_id, left)), rows.get((t.table_id, right))) for t in bare)
        lines = tuple(_line(t, a, b) for t, a, b in found if a and b and a.test_error and b.test_error)
        if lines:
            yield Pair(left, right, lines)


def _line(table: TrackTable, left: RuleRow, right: RuleRow) -> PairLine:
    planned = left.against(right.row_id) or right.against(left.row_id)
    difference = paired_difference(left.test_errors, right.test_errors)
    return PairLine(table, left, right, difference, planned.p_value if planned else None)
