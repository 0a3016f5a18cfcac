"""Arrivals: runs by the day they ended, each with how far it has been verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Literal

from benchsuite.results.grouping import canonical
from benchsuite.results.model import RuleRow, SeedRun, TrackTable

Verification = Literal["self-reported", "reproduced here", "reproduced elsewhere"]

TOLERANCE = 0.01
"""Most that test errors of one seed may differ between hardware classes, as in ``benchsuite verify --rerun``."""

VERIFICATION_WORDS: dict[Verification, str] = {
    "self-reported": "one record, made by whoever handed it in",
    "reproduced here": "a second record of the same run on the same hardware class, with the same test error",
    "reproduced elsewhere": "a record with the same settings and seed on another hardware class, whose test error is "
    "at most one point away",
}


@dataclass(frozen=True)
class Arrival:
    """Runs of one rule on one table that ended on one day."""

    day: str
    """Day of the run's end, in UTC, as YYYY-MM-DD."""
    track: str
    tier: str
    rule: str
    settings: str
    """``tuned`` or ``published``."""
    hardware_class: str
    device: str
    version: str
    """Version of the suite."""
    commit: str
    """Commit of the suite's checkout; empty for an installed wheel."""
    status: str
    verification: Verification
    runs: int


def arrivals_of(tables: Iterable[TrackTable]) -> tuple[Arrival, ...]:
    """Return the arrivals of tables whose runs have their records, in order."""
    counted: Counter[tuple[str, str, str, str, str, str, str, str, str, str, Verification]] = Counter()
    for table in tables:
        twins = _twins(table)
        for row in table.rows:
            for run in row.runs:
                record = run.record
                if record is not None:
                    counted[
                        record.ended_at.date().isoformat(),
                        table.track,
                        table.tier,
                        row.rule,
                        "tuned" if row.tuned else "published",
                        row.hardware_class,
                        record.hardware.device_name,
                        record.environment.benchsuite,
                        record.environment.git_commit or "",
                        run.status,
                        _verification(row, run, twins[_key(row, run)]),
                    ] += 1
    found = (Arrival(*key, runs=count) for key, count in counted.items())
    return tuple(sorted(found, key=astuple))


def _twins(table: TrackTable) -> dict[str, list[tuple[RuleRow, SeedRun]]]:
    """Return the runs of one rule, settings and seed, on whatever hardware."""
    found: dict[str, list[tuple[RuleRow, SeedRun]]] = {}
    for row, run in _runs(table):
        found.setdefault(_key(row, run), []).append((row, run))
    return found


def _runs(table: TrackTable) -> Iterator[tuple[RuleRow, SeedRun]]:
    for row in table.rows:
        for run in row.runs:
            yield row, run


def _key(row: RuleRow, run: SeedRun) -> str:
    protocol = [(found.field, found.value) for found in row.protocol_differences]
    return canonical([row.rule, row.config, protocol, run.seed])


def _verification(row: RuleRow, run: SeedRun, twins: Iterable[tuple[RuleRow, SeedRun]]) -> Verification:
    """Return how far a run is verified; another machine counts more than the same."""
    error = _final_error(run)
    if error is None:
        return "self-reported"
    found: Verification = "self-reported"
    for other_row, other in twins:
        seen = _final_error(other)
        if other is run or seen is None:
            continue
        if other_row.hardware_class != row.hardware_class:
            if abs(seen - error) <= TOLERANCE:
                return "reproduced elsewhere"
        elif other_row.row_id == row.row_id and seen == error:
            found = "reproduced here"
    return found


def _final_error(run: SeedRun) -> float | None:
    """Return a run's own result, also of one that a later record replaced."""
    final = run.record.final_test if run.record else None
    return final.error if final else None
