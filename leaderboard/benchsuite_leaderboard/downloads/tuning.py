"""Tunings as downloadable data: one line per rule."""

from __future__ import annotations

from benchsuite.results.formatting import duration, mean_sd, number, percent, points, rate_width
from benchsuite.results.model import BASELINE_RULE
from benchsuite.results.tuning_summary import TunedRule, TuningTable
from benchsuite.specs.models.tuning import RATE
from benchsuite_leaderboard.downloads.formats import DataTable, Value

COLUMNS = (
    "rule",
    "tuning_id",
    "trials",
    "not_completed",
    "best_validation_error",
    "best_learning_rate",
    "best_settings",
    "published_learning_rate",
    "near_best_low",
    "near_best_high",
    "near_best_decades",
    "near_best_decades_at_most",
    "near_best_reaches_end",
    "tuning_train_time_s",
    "published_test_error_mean",
    "tuned_test_error_mean",
    f"published_gap_to_{BASELINE_RULE}",
    f"tuned_gap_to_{BASELINE_RULE}",
    "gap_closed",
    "gap_closed_low",
    "gap_closed_high",
    "gap_pairs",
    "gap_share",
)

PRINTED = (
    "Rule",
    "Validation error, %",
    "Learning rate",
    "Within 1 point, decades",
    "Tuning time",
    "Test error, published, %",
    "Test error, tuned, %",
    "Gap closed, points",
)


def tuning_data(table: TuningTable) -> DataTable:
    """Return one table of tunings; errors are fractions in its data and per cent where printed."""
    title = f"Tuning of {table.track}, {table.tier} tier: {table.first.spec.budget.words} per rule"
    rows = tuple(_data(rule) for rule in table.rules)
    return DataTable(title, COLUMNS, rows, PRINTED, tuple(_printed(rule) for rule in table.rules))


def _data(rule: TunedRule) -> tuple[Value, ...]:
    record, best, rates, gap = rule.record, rule.record.best, rule.rates, rule.gap
    settings = best.settings if best else {}
    return (
        rule.label,
        rule.tuning_id,
        len(record.trials),
        sum(trial.validation_error is None for trial in record.trials),
        best.validation_error if best else None,
        settings.get(RATE),
        ", ".join(f"{field}={value!r}" for field, value in settings.items()),
        rule.published_rate,
        rates.low if rates else None,
        rates.high if rates else None,
        rates.decades if rates else None,
        rates.decades_at_most if rates else None,
        rates.is_open if rates else None,
        record.train_time_s,
        rule.published_error.mean if rule.published_error else None,
        rule.tuned_error.mean if rule.tuned_error else None,
        gap.published.mean if gap else None,
        gap.tuned.mean if gap else None,
        gap.closed.mean if gap else None,
        gap.closed.low if gap else None,
        gap.closed.high if gap else None,
        gap.closed.n if gap else None,
        gap.share if gap else None,
    )


def _printed(rule: TunedRule) -> tuple[str, ...]:
    best = rule.record.best
    return (
        rule.label,
        percent(best.validation_error) if best else "–",
        number(float(best.settings[RATE])) if best else "–",
        rate_width(rule.rates),
        duration(rule.record.train_time_s),
        mean_sd(rule.published_error),
        mean_sd(rule.tuned_error),
        points(rule.gap.closed.mean) if rule.gap else "–",
    )
