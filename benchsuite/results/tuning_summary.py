"""Tables of tunings: for each rule what was found, how wide it holds, and how much of a gap is tuning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchsuite.records.tuning import TuningRecord
from benchsuite.results.grouping import canonical, differing_fields, plain, short_hash
from benchsuite.results.model import BASELINE_RULE, Estimate, RuleRow, TrackTable
from benchsuite.results.statistics import paired_difference, rank_correlation
from benchsuite.results.tuning_curves import RateRange, good_rates
from benchsuite.specs.models.base import TIERS
from benchsuite.specs.models.tuning import CONFIG

MIN_RULES = 3
"""Fewest rules for a rank correlation: two are always in the same or in the opposite order."""


@dataclass(frozen=True)
class GapChange:
    """A rule's gap to backprop with published settings of both, and with tuned settings of both."""

    published: Estimate
    """Test error minus the baseline's, paired by seed."""
    tuned: Estimate
    closed: Estimate
    """Published minus tuned gap, paired by seed: how many points of the gap are tuning."""

    @property
    def share(self) -> float | None:
        """Return the closed part of the gap; None unless the published gap's interval is above zero."""
        if self.published.low is None or self.published.low <= 0:
            return None
        return self.closed.mean / self.published.mean


@dataclass(frozen=True)
class TunedRule:
    """One tuning, with the final runs of the same rule before and after it."""

    label: str
    """The rule's name; with the settings that tell several tunings of one rule apart."""
    record: TuningRecord
    rates: RateRange | None
    published_rate: float | None
    """Learning rate of the published settings; None if there is no run with them."""
    published_row: str = ""
    """Id of the row with published settings; empty if there is none."""
    tuned_row: str = ""
    published_error: Estimate | None = None
    """Test error of that row's final runs."""
    tuned_error: Estimate | None = None
    gap: GapChange | None = None

    @property
    def tuning_id(self) -> str:
        """Return the id of the tuning."""
        return self.record.tuning_id

    @property
    def is_narrow(self) -> bool:
        """True if the rule stays near its best within less than a decade of one rate."""
        return self.rates is not None and not self.rates.is_open and self.rates.decades_at_most < 1


@dataclass(frozen=True)
class TuningTable:
    """The tunings of one track and tier with equal data, network and budget."""

    table_id: str
    """Twelve hexadecimal digits that identify the table in addresses; the same in every build."""
    track: str
    tier: str
    rules: tuple[TunedRule, ...]
    """The lowest validation error first."""
    correlation: float | None
    """Kendall's tau-b between the test errors with published and with tuned settings; None if it cannot be said."""
    correlated: int
    """Number of rules that have both."""

    @property
    def first(self) -> TuningRecord:
        """Return the record of one tuning, to read what all of them share."""
        return self.rules[0].record

    @property
    def train_time_s(self) -> float:
        """Return the training time of all trials of all rules."""
        return sum(rule.record.train_time_s for rule in self.rules)


def tuning_tables(tunings: Iterable[TuningRecord], tables: Sequence[TrackTable]) -> list[TuningTable]:
    """Return the tables of some tunings, by track, tier and budget.

    Args:
        tunings: records of tunings, in any order; several of one tuning count once.
        tables: tables of runs with their records, in which the tuned rules' final runs are found.

    """
    groups: dict[str, dict[str, TuningRecord]] = {}
    for record in sorted(tunings, key=lambda record: record.ended_at):
        groups.setdefault(_conditions(record), {})[record.tuning_id] = record
    made = [_table(key, list(members.values()), tables) for key, members in groups.items()]
    return sorted(made, key=lambda table: (table.track, TIERS.index(table.first.spec.run.tier), table.table_id))


def _conditions(record: TuningRecord) -> str:
    run = record.spec.run
    budget = record.spec.budget.model_dump(mode="json")
    return canonical([run.track, run.tier, plain(run.dataset), plain(run.architecture), budget])


def _table(key: str, records: Sequence[TuningRecord], tables: Sequence[TrackTable]) -> TuningTable:
    labels = _labels(records)
    rules = [_rule(record, labels[record.tuning_id], tables) for record in records]
    base = next((rule for rule in rules if rule.record.spec.run.rule.name == BASELINE_RULE), None)
    rows = {row.row_id: row for table in tables for row in table.rows}
    rules = [_with_gap(rule, base, rows) for rule in rules]
    pairs = [
        (rule.published_error.mean, rule.tuned_error.mean)
        for rule in rules
        if rule.published_error and rule.tuned_error and _are_complete(rule, rows)
    ]
    run = records[0].spec.run
    return TuningTable(
        table_id=short_hash(key),
        track=run.track,
        tier=run.tier,
        rules=tuple(sorted(rules, key=lambda rule: (*_best(rule), rule.label))),
        correlation=rank_correlation(pairs) if len(pairs) >= MIN_RULES else None,
        correlated=len(pairs),
    )


def _best(rule: TunedRule) -> tuple[float, float]:
    best = rule.record.best
    return best.rank[:2] if best else (float("inf"), float("inf"))


def _are_complete(rule: TunedRule, rows: dict[str, RuleRow]) -> bool:
    return rows[rule.published_row].complete and rows[rule.tuned_row].complete


def _labels(records: Sequence[TuningRecord]) -> dict[str, str]:
    """Label each tuning by its rule; several of one rule also by what differs, without what was searched."""
    labels = {}
    for record in records:
        name = record.spec.run.rule.name
        same = [_fixed(other) for other in records if other.spec.run.rule.name == name]
        marks = ", ".join(f"{d.field}={d.value}" for d in differing_fields(_fixed(record), same))
        labels[record.tuning_id] = f"{name} ({marks[:90]})" if marks else name
    repeated = list(labels.values())
    return {key: label if repeated.count(label) == 1 else f"{label} #{key[:4]}" for key, label in labels.items()}


def _fixed(record: TuningRecord) -> dict[str, Any]:
    """Return the settings of a tuning's rule and its protocol that were not searched."""
    protocol = plain(record.spec.run.protocol)
    return {**_fixed_config(record, record.spec.run.rule.config), "protocol": _without_rate(protocol)}


def _fixed_config(record: TuningRecord, config: dict[str, Any]) -> dict[str, Any]:
    searched = {dimension.field.removeprefix(CONFIG) for dimension in record.spec.space}
    return {name: value for name, value in config.items() if name not in searched}


def _without_rate(protocol: dict[str, Any]) -> dict[str, Any]:
    """Return a protocol without what a tuning searches or has of its own."""
    own = {"epochs", "evaluation", "timeout_s"}
    optimizer = {name: value for name, value in protocol["optimizer"].items() if name != "learning_rate"}
    return {**{name: value for name, value in protocol.items() if name not in own}, "optimizer": optimizer}


def _rule(record: TuningRecord, label: str, tables: Sequence[TrackTable]) -> TunedRule:
    tuned, published = _final_rows(record, tables)
    first = next((run.record for run in published.runs if run.record), None) if published else None
    return TunedRule(
        label=label,
        record=record,
        rates=good_rates(record),
        published_rate=first.spec.protocol.optimizer.learning_rate if first else None,
        published_row=published.row_id if published else "",
        tuned_row=tuned.row_id if tuned else "",
        published_error=published.test_error if published else None,
        tuned_error=tuned.test_error if tuned else None,
    )


def _final_rows(record: TuningRecord, tables: Sequence[TrackTable]) -> tuple[RuleRow | None, RuleRow | None]:
    """Return the row that runs a tuning's settings, and the row of the same rule with published settings beside it."""
    spec = record.spec.run
    for table in tables:
        if (table.track, table.tier) != (spec.track, spec.tier) or table.architecture != plain(spec.architecture):
            continue
        tuned = [row for row in table.rows if record.tuning_id in row.tunings and not _is_control(row, record)]
        published = [row for row in table.rows if not row.tunings and _is_same_rule(row, record)]
        if tuned or published:
            found = min(tuned, key=lambda row: (not row.complete, row.label), default=None)
            return found, min(published, key=lambda row: _distance(row, found), default=None)
    return None, None


def _is_same_rule(row: RuleRow, record: TuningRecord) -> bool:
    run = next((run.record.spec for run in row.runs if run.record), None)
    if run is None or run.rule.name != record.spec.run.rule.name:
        return False
    same_config = _fixed_config(record, row.config) == _fixed_config(record, record.spec.run.rule.config)
    return same_config and _without_rate(plain(run.protocol)) == _without_rate(plain(record.spec.run.protocol))


def _is_control(row: RuleRow, record: TuningRecord) -> bool:
    """Return True if a row has a tuning's settings and, unlike its trials, a frozen lower half."""
    run = next((run.record.spec for run in row.runs if run.record), None)
    return run is not None and run.protocol.frozen != record.spec.run.protocol.frozen


def _distance(row: RuleRow, tuned: RuleRow | None) -> tuple[bool, bool, int, str]:
    """Return how far a row is from the track's own settings for the rule, and from the tuned row's machine."""
    other_machine = tuned is not None and tuned.hardware_class != row.hardware_class
    return other_machine, bool(row.variant), len(row.protocol_differences), row.label


def _with_gap(rule: TunedRule, base: TunedRule | None, rows: dict[str, RuleRow]) -> TunedRule:
    if base is None or rule is base:
        return rule
    ids = (rule.published_row, base.published_row, rule.tuned_row, base.tuned_row)
    if not all(ids):
        return rule
    errors = [rows[row_id].test_errors for row_id in ids]
    seeds = set.intersection(*map(set, errors))
    by_seed = [{seed: found[seed] for seed in seeds} for found in errors]
    published, tuned = paired_difference(by_seed[0], by_seed[1]), paired_difference(by_seed[2], by_seed[3])
    before = {seed: by_seed[0][seed] - by_seed[1][seed] for seed in seeds}
    after = {seed: by_seed[2][seed] - by_seed[3][seed] for seed in seeds}
    closed = paired_difference(before, after)
    if published is None or tuned is None or closed is None:
        return rule
    return replace(rule, gap=GapChange(published, tuned, closed))
