"""Tables in which a rule was tuned twice: which of its rows is compared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from benchsuite.records.model import RunRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.results.formatting import duration
from benchsuite.results.model import RuleRow
from benchsuite.results.ranking import SUPERSEDED
from benchsuite.results.tables import summarize
from benchsuite.results.tuning_summary import tuning_tables
from benchsuite.specs.models.tuning import tuned_title
from benchsuite_leaderboard.matrix import main_rows
from benchsuite_leaderboard.pages.tuning import budgets_of_rows
from tests.factories import make_record, make_tuned_seeds, make_tuning

SHORT = [0.3, 0.1, 0.2]
"""Validation errors of trials; the best of them fails in a full run, as the finalists show."""
FINALISTS = [0.9, 0.15]
GOOD, BAD = [0.1, 0.11, 0.12], [0.8, 0.82, 0.84]


def tuned_twice(rule: str, short: list[float], long: list[float]) -> tuple[list[RunRecord], list[TuningRecord]]:
    first, second = make_tuning(rule, SHORT), make_tuning(rule, SHORT, finalists=FINALISTS)
    return [*make_tuned_seeds(first, short), *make_tuned_seeds(second, long)], [first, second]


def rows_of(rule: str, records: list[RunRecord], tunings: list[TuningRecord]) -> tuple[Any, list[RuleRow]]:
    (table,) = summarize(records, tunings=tunings)
    return table, sorted((row for row in table.rows if row.rule == rule), key=lambda row: row.label)


@pytest.mark.parametrize(("short", "long"), [(BAD, GOOD), (GOOD, BAD)], ids=["it helped", "it did harm"])
def test_the_row_of_the_longer_tuning_is_compared_whatever_its_result(short: list[float], long: list[float]) -> None:
    """Catches a board that keeps the failed settings of a shorter search, and one that picks the better test error."""
    records, tunings = tuned_twice("fa", short, long)
    for rule in ("backprop", "gevb"):
        tuning = make_tuning(rule, SHORT)
        records += make_tuned_seeds(tuning, GOOD)
        tunings.append(tuning)
    table, rows = rows_of("fa", records, tunings)
    (old,) = (row for row in rows if row.superseded)
    (new,) = (row for row in rows if not row.superseded)
    assert [old.test_error.mean, new.test_error.mean] == pytest.approx([sum(short) / 3, sum(long) / 3])
    assert (old.rank, old.unranked_reason, old.comparisons) == (None, SUPERSEDED, ())
    assert main_rows(table)["fa"] is new
    assert new.rank
    assert new.comparisons


def test_the_baseline_of_the_longer_tuning_is_what_tuned_rows_are_compared_with() -> None:
    records, tunings = tuned_twice("backprop", BAD, GOOD)
    tuning = make_tuning("fa", SHORT)
    table, (row,) = rows_of("fa", [*records, *make_tuned_seeds(tuning, GOOD)], [*tunings, tuning])
    assert row.gap.baseline_row == next(r.row_id for r in table.rows if r.rule == "backprop" and not r.superseded)


def test_fewer_seeds_or_a_failed_one_replace_nothing() -> None:
    """Catches a board that loses five seeds to the first one of a comparison that is being made anew."""
    for long in (GOOD[:2], [*GOOD[:2], None]):
        records, tunings = tuned_twice("fa", BAD, GOOD)
        kept = records[: len(BAD)] + [
            record if error is not None else record.model_copy(update={"status": "crashed", "final": None})
            for record, error in zip(records[len(BAD) :], long, strict=False)
        ]
        _, rows = rows_of("fa", kept, tunings)
        assert len(rows) == 2
        assert not any(row.superseded for row in rows)


def test_without_their_tunings_rows_are_not_told_apart() -> None:
    records, _ = tuned_twice("fa", BAD, GOOD)
    _, rows = rows_of("fa", records, [])
    assert [row.superseded for row in rows] == [False, False]


def test_a_longer_tuning_that_chooses_the_same_settings_gives_the_row_its_name() -> None:
    """Catches a baseline that looks less tuned than its rivals because its finalists changed nothing."""
    short = make_tuning("backprop", SHORT)
    long = make_tuning("backprop", SHORT, finalists=[0.1, 0.2])
    other = make_tuning("backprop", SHORT, finalists=FINALISTS)
    elsewhere = make_tuning("fa", SHORT, finalists=[0.1, 0.2])
    assert short.best.settings == long.best.settings == elsewhere.best.settings != other.best.settings
    tunings = [short, other, elsewhere, long]
    records = make_tuned_seeds(short, GOOD, title=tuned_title("backprop", short.spec.budget.words))
    table, (row,) = rows_of("backprop", records, tunings)
    assert row.label == tuned_title("backprop", long.spec.budget.words) == "backprop, tuned (3 trials, 2 finalists)"
    assert row.tunings == (long.tuning_id, short.tuning_id)
    assert not row.superseded
    (words,) = budgets_of_rows(table, tuning_tables(tunings, [table])).values()
    assert words == f"{duration(long.train_time_s)} of tuning"
    assert long.train_time_s > short.train_time_s


def test_a_row_says_when_the_baseline_was_tuned_with_another_effort() -> None:
    short, long = make_tuning("fa", SHORT), make_tuning("backprop", SHORT, finalists=FINALISTS)
    records = [*make_tuned_seeds(short, GOOD), *make_tuned_seeds(long, GOOD)]
    table, (row,) = rows_of("fa", records, [short, long])
    assert "tuned with other effort than backprop: 3 trials; 3 trials, 2 finalists" in row.notes
    (baseline,) = (row for row in table.rows if row.rule == "backprop")
    assert not any("tuned with" in note for note in baseline.notes)
    assert baseline.gap.remark == "this is the baseline"


def test_only_the_row_that_others_are_compared_with_is_called_the_baseline() -> None:
    """Catches two rows that both say so, and one without a result."""
    records, tunings = tuned_twice("backprop", BAD, GOOD)
    _, rows = rows_of("backprop", records, tunings)
    assert [row.gap.remark == "this is the baseline" for row in rows] == [not row.superseded for row in rows]
    tuning = make_tuning("backprop", SHORT)
    failed = [record.model_copy(update={"status": "diverged"}) for record in make_tuned_seeds(tuning, GOOD)]
    _, (row,) = rows_of("backprop", failed, [tuning])
    assert row.gap.remark == "no completed run of backprop in this table"


def test_a_row_of_an_older_source_says_so() -> None:
    """Catches two rows that seem to differ in a setting alone, after a rule's formula and its default were changed."""
    old = [make_record("fa", seed, 0.1, config={"scale": 1}, rule_source_hash="ab" * 32) for seed in range(2)]
    new = [make_record("fa", seed, 0.2, config={"scale": 2}) for seed in range(2)]
    new = [r.model_copy(update={"started_at": r.started_at + timedelta(hours=1)}) for r in new]
    # The last run of the old source began and ended after the first ones of the new.
    old[1] = old[1].model_copy(update={"started_at": old[1].started_at + timedelta(hours=2)})
    other = make_record("backprop", 0, 0.1, rule_source_hash="ef" * 32)
    (table,) = summarize([*old, *new, other])
    older = {row.label: any("older version of the rule's source" in note for note in row.notes) for row in table.rows}
    assert older == {"fa (scale=1)": True, "fa (scale=2)": False, "backprop": False}
