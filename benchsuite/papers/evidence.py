"""Select the records that decide a claim: exactly its conditions, one data fingerprint per track.

One hardware class is preferred to all of them pooled. Missing values are never skipped in an average: a seed that
failed or was not measured is named, and nothing is decided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from benchsuite.papers.claim_cases import Arm, ArmPair
from benchsuite.papers.run_values import measured
from benchsuite.records.model import RunRecord
from benchsuite.results.formatting import status_words
from benchsuite.results.grouping import conditions, oldest_first
from benchsuite.specs.models.claim import COST, Comparison
from benchsuite.specs.models.track import RunSpec

HardwareKey = tuple[str, str]
"""Hardware class and precision."""


class RecordIndex:
    """Records indexed by the conditions of their runs."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        # Conditions are worked out only for rules that are asked for: for a record they take as long as its row.
        self._by_cell: dict[_Cell, list[RunRecord]] = defaultdict(list)
        for record in oldest_first(records):
            self._by_cell[_cell(record.spec)].append(record)
        self._by_conditions: dict[_Cell, dict[str, list[RunRecord]]] = {}

    def runs_of(self, arm: Arm) -> Sequence[RunRecord]:
        """Return an arm's records, oldest first within a seed."""
        if arm.spec is None:
            return ()
        cell = _cell(arm.spec)
        if cell not in self._by_conditions:
            found: dict[str, list[RunRecord]] = defaultdict(list)
            for record in self._by_cell.get(cell, ()):
                found[conditions(record.spec)].append(record)
            self._by_conditions[cell] = dict(found)
        return self._by_conditions[cell].get(conditions(arm.spec), ())


_Cell = tuple[str, str, str]
"""Track, tier and rule, which are part of a run's conditions."""


def _cell(spec: RunSpec) -> _Cell:
    return spec.track, spec.tier, spec.rule.name


@dataclass(frozen=True)
class Pool:
    """Comparable records of every arm of a case."""

    runs: Mapping[Arm, Mapping[int, RunRecord]]
    """By arm, the record used for each seed: the one that ended last."""
    hardware: HardwareKey | None
    """None if several classes are pooled."""
    fingerprints: Mapping[str, str | None]
    """Fingerprint of the data by track; None if no record of the track loaded any."""

    def values(self, pair: ArmPair, comparison: Comparison) -> dict[int, float]:
        """Return the measured values of a side by seed index; for a cost, its logarithm."""
        main = self._of(pair.main, pair, comparison)
        if pair.reference is None:
            return main
        other = self._of(pair.reference, pair, comparison)
        shared = sorted(main.keys() & other.keys())
        if pair.over is None:
            return {seed: main[seed] - other[seed] for seed in shared}
        return {seed: main[seed] / other[seed] for seed in shared if other[seed]}

    def _of(self, arm: Arm, pair: ArmPair, comparison: Comparison) -> dict[int, float]:
        found = {seed: measured(record, comparison, pair) for seed, record in self.runs[arm].items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def failures(self, pair: ArmPair, comparison: Comparison) -> list[str]:
        """Return, for each rule of a side with seeds without a value, what happened to those seeds."""
        failures = []
        for arm in pair.arms:
            runs = self.runs[arm]
            values = {seed: measured(record, comparison, pair) for seed, record in runs.items()}
            lacking = [runs[seed] for seed, value in values.items() if value is None]
            counts = Counter(status_words(r.status) if r.status != "completed" else "not measured" for r in lacking)
            if arm is pair.over and (zeros := list(values.values()).count(0)):
                counts["zero, so there is no ratio"] = zeros
            if counts:
                statuses = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
                failures.append(f"of {len(runs)} seeds of {arm.rule} on {arm.track}: {statuses}")
        return failures

    def run_ids(self, pair: ArmPair) -> tuple[str, ...]:
        """Return the runs of a side in the order of their seeds."""
        return tuple(dict.fromkeys(record.run_id for arm in pair.arms for record in self.runs[arm].values()))


def pools(index: RecordIndex, arms: Sequence[Arm], metric: str) -> Iterator[Pool]:
    """Yield every choice of comparable records: first single hardware classes, then all of them together.

    Args:
        index: all records.
        arms: all rules of a case on their tracks.
        metric: the metric compared; a cost is compared only within one class.

    """
    runs = {arm: index.runs_of(arm) for arm in arms}
    tracks = sorted({arm.track for arm in arms})
    known = [_fingerprints(r for arm in arms if arm.track == track for r in runs[arm]) for track in tracks]
    classes = sorted({_hardware(r) for records in runs.values() for r in records})
    hardware: list[HardwareKey | None] = [*classes] if metric == COST else [*classes, None]
    for chosen in product(*known):
        fingerprint = dict(zip(tracks, chosen, strict=True))
        for key in hardware:
            fitting = {
                arm: {
                    r.spec.seed: r
                    for r in sorted(records, key=lambda r: r.spec.seed)
                    if (r.data is None or r.data.fingerprint == fingerprint[arm.track]) and key in (None, _hardware(r))
                }
                for arm, records in runs.items()
            }
            yield Pool(fitting, key, fingerprint)


def _fingerprints(records: Iterable[RunRecord]) -> list[str | None]:
    found = {(r.data.canonical is not True, r.data.fingerprint) for r in records if r.data}
    # The published files' fingerprint comes first: if the records do not decide, the data set that others have does.
    return [fingerprint for _, fingerprint in sorted(found)] or [None]


def _hardware(record: RunRecord) -> HardwareKey:
    return record.hardware.hardware_class, record.hardware.precision
