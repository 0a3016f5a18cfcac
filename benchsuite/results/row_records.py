"""The records of one row: the seeds of one rule, one configuration, one protocol and one hardware class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.changed_settings import changed_settings
from benchsuite.results.final import final_error, waited_for_processor
from benchsuite.results.grouping import canonical, plain
from benchsuite.results.model import BASELINE_RULE
from benchsuite.results.row_names import NamesBySettings, names_of


@dataclass(frozen=True)
class RowRecords:
    """The records of one row before anything is computed from them."""

    key: str
    records: tuple[RunRecord, ...]
    """Sorted by seed, then by end time."""
    names: tuple[str, ...] = ()
    """Names of these settings; see ``row_names.names_of``."""
    chosen_by: tuple[str, ...] = ()
    """Ids of the tunings that chose these settings, the longest first; empty until ``name_by_tunings`` has looked."""
    budget: str = ""
    """Trials of the longest of these tunings in words; empty if its record is not at hand."""
    searched: frozenset[str] = frozenset()
    """Names of the rule's settings that these tunings searched, beside the learning rate."""
    is_superseded: bool = False
    """True if a longer tuning of the same search has a row of its own; see ``superseded.mark_superseded``."""

    @property
    def first(self) -> RunRecord:
        """Return the first record, to read the fields that all of them share."""
        return self.records[0]

    @property
    def name(self) -> str:
        """Return the variant's name, the first if it has several, or else the rule's."""
        rule = self.first.spec.rule.name
        return next((name for name in self.names if name != rule), rule)

    @property
    def is_variant(self) -> bool:
        """Return True if the row has a name and other settings than the track has for the rule."""
        return bool(self.names) and self.first.spec.rule.name not in self.names

    @property
    def is_tuned(self) -> bool:
        """Return True if a tuning has found the row's settings."""
        return bool(self.tunings)

    @cached_property
    def tunings(self) -> tuple[str, ...]:
        """Return the ids of the tunings that found the settings, the longest first if their records are at hand."""
        return self.chosen_by or tuple(sorted({record.spec.rule.tuned_by for record in self.records} - {""}))

    @cached_property
    def changed_settings(self) -> tuple[str, ...]:
        """Return the names of the rule's settings that the runs' command changed.

        None for a tuned row whose tuning is not at hand: what was searched is not known.
        """
        if self.is_tuned and not self.chosen_by:
            return ()
        return changed_settings(self.first.command, self.searched)

    @cached_property
    def latest(self) -> list[RunRecord]:
        """Return the record used for each seed: the one that ended last."""
        return list({r.spec.seed: r for r in self.records}.values())

    @cached_property
    def counted(self) -> list[RunRecord]:
        """Return the records whose numbers are included in a mean."""
        return [r for r in self.latest if final_error(r) is not None]

    @cached_property
    def timed(self) -> list[RunRecord]:
        """Return the counted records whose times may be compared: those that did not have to wait for the processor."""
        return [r for r in self.counted if not waited_for_processor(r)]

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """Return the protocol that all runs of the row share."""
        return plain(self.first.spec.protocol)

    @cached_property
    def test_errors(self) -> dict[int, float]:
        """Return the final test error by seed index."""
        return {r.spec.seed: e for r in self.counted if (e := final_error(r)) is not None}

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """Return the fields that must be equal for two costs to be comparable."""
        hardware = [r.hardware for r in self.counted] or [self.first.hardware]
        return {
            "hardware class": hardware[0].hardware_class,
            "precision": hardware[0].precision,
            "threads": sorted({h.threads for h in hardware}),
            "processes": sorted({h.world_size for h in hardware}),
            "batch size": self.first.spec.protocol.batch_size,
        }


def group_rows(records: Sequence[RunRecord], names: NamesBySettings = MappingProxyType({})) -> list[RowRecords]:
    """Group the records that differ only in their seed, whatever names they were made under."""
    found: dict[str, list[RunRecord]] = {}
    for record in records:
        rule, hardware = record.spec.rule, record.hardware
        config, protocol = rule.model_dump(mode="json")["config"], plain(record.spec.protocol)
        key = canonical([rule.name, config, protocol, hardware.hardware_class, hardware.precision])
        found.setdefault(key, []).append(record)
    return [RowRecords(key, tuple(members), names_of(members, names)) for key, members in sorted(found.items())]


def usual_protocol(bundles: Sequence[RowRecords]) -> dict[str, Any]:
    """Return the most frequent protocol of the rows; among equally frequent ones, the baseline's."""
    frequency = Counter(canonical(b.protocol) for b in bundles)
    baseline = {canonical(b.protocol) for b in bundles if b.first.spec.rule.name == BASELINE_RULE and not b.is_variant}
    return min((b.protocol for b in bundles), key=lambda p: _preference(canonical(p), frequency, baseline))


def _preference(protocol: str, frequency: Counter[str], baseline: set[str]) -> tuple[int, bool, str]:
    return -frequency[protocol], protocol not in baseline, protocol
