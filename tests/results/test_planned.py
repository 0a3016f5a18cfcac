"""Oracles: SciPy's paired t-test, Holm's factors by hand, and the plan as the track's spec states it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from benchsuite.api.row_names import plans_of_library
from benchsuite.results.tables import summarize
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.comparison_plan import ComparisonPlan, PlannedComparison
from tests.factories import make_tuned_seeds, make_tuning

Make = Callable[..., Any]
ERRORS = {
    "backprop": [0.10, 0.11, 0.13, 0.12, 0.10],
    "fa": [0.15, 0.14, 0.19, 0.16, 0.17],
    "gevb": [0.12, 0.15, 0.14, 0.13, 0.16],
    "readout_only": [0.30, 0.33, 0.35, 0.31, 0.32],
}


def p_value(left: str, right: str) -> float:
    return float(stats.ttest_rel(ERRORS[left], ERRORS[right]).pvalue)


def rows_by_name(make_seeds: Make, plan: ComparisonPlan | None = None, **more: Any) -> dict[str, Any]:
    records = [record for rule, values in ERRORS.items() for record in make_seeds(rule, values)]
    records += [
        record for name, values in more.items() for record in make_seeds("fa", values, variant=name, config={"a": 1})
    ]
    (table,) = summarize(records, plans={"digits-fc": plan} if plan else {})
    return {row.variant or row.rule: row for row in table.rows}


def test_each_rule_is_tested_against_backprop_and_the_readout_after_holm(make_seeds: Make) -> None:
    """Catches uncorrected p-values, a pair that is tested in both directions, and a correction over other tests."""
    rows = rows_by_name(make_seeds)
    tests = [("fa", "backprop"), ("gevb", "backprop"), ("readout_only", "backprop")]
    tests += [("fa", "readout_only"), ("gevb", "readout_only")]
    order = sorted(tests, key=lambda pair: p_value(*pair))
    corrected, largest = {}, 0.0
    for left, pair in zip(range(5, 0, -1), order, strict=True):
        largest = max(largest, min(1.0, left * p_value(*pair)))
        corrected[pair] = largest
    found = {(name, c.against): c for name, row in rows.items() for c in row.comparisons}
    assert {pair: c.p_value for pair, c in found.items()} == pytest.approx(corrected)
    assert {c.tested for c in found.values()} == {5}
    assert rows["fa"].gap.p_value == found["fa", "backprop"].p_value
    assert rows["backprop"].comparisons == ()


def test_a_plan_adds_comparisons_or_replaces_the_derived_ones(make_seeds: Make) -> None:
    pair = PlannedComparison(row="gevb", against="fa")
    added = rows_by_name(make_seeds, ComparisonPlan(pairs=(pair,)))
    assert [c.against for c in added["gevb"].comparisons] == ["backprop", "readout_only", "fa"]
    assert {c.tested for c in added["gevb"].comparisons} == {6}
    alone = rows_by_name(make_seeds, ComparisonPlan(derived=False, pairs=(pair,)))
    (found,) = alone["gevb"].comparisons
    assert found.p_value == pytest.approx(p_value("gevb", "fa"))
    assert alone["gevb"].gap.p_value is None
    assert alone["gevb"].gap.difference is not None


def test_a_variant_is_tested_only_if_the_plan_names_it(make_seeds: Make) -> None:
    """Catches an ablation that nobody planned among the tests, which would weaken all others."""
    sparse = {"FA, half": [0.2, 0.22, 0.21, 0.2, 0.25]}
    rows = rows_by_name(make_seeds, **sparse)
    assert rows["FA, half"].gap.difference is not None
    assert (rows["FA, half"].comparisons, rows["FA, half"].gap.p_value) == ((), None)
    plan = ComparisonPlan(pairs=(PlannedComparison(row="FA, half", against="backprop"),))
    assert rows_by_name(make_seeds, plan, **sparse)["FA, half"].gap.p_value is not None


def test_a_plan_of_a_spec_is_found_and_changes_no_run(tmp_path: Path) -> None:
    """Catches a plan in the hash, which would make every run anew, and a wrong plan that stops a table."""
    folder = tmp_path / "tracks"
    folder.mkdir()
    text = (builtin_folder() / "tracks" / "digits-fc.yaml").read_text(encoding="utf-8")
    plan = "\ncomparisons: {derived: false, pairs: [{row: gevb, against: backprop}]}\n"
    (folder / "mine.yaml").write_text(text.replace("name: digits-fc", "name: mine") + plan, encoding="utf-8")
    (folder / "wrong.yaml").write_text("name: wrong\ncomparisons: {pairs: 3}\n", encoding="utf-8")
    found = plans_of_library(["mine", "wrong", "digits-fc", "unknown"], SpecLibrary([builtin_folder(), tmp_path]))
    pairs = (PlannedComparison(row="gevb", against="backprop"),)
    assert found == {"mine": ComparisonPlan(derived=False, pairs=pairs)}


def test_tuned_rows_are_compared_with_each_other_where_as_many_rules_have_them(make_seeds: Make) -> None:
    """Catches a tuned rule that is ranked or tested beside one with settings that were chosen for another rule."""
    published = [*make_seeds("backprop", ERRORS["backprop"]), *make_seeds("fa", ERRORS["fa"])]
    tunings = {rule: make_tuning(rule, [0.3, error]) for rule, error in (("backprop", 0.1), ("fa", 0.2))}
    tuned = {
        rule: make_tuned_seeds(tunings[rule], [0.9 * error for error in ERRORS[rule]]) for rule in ("backprop", "fa")
    }
    (both,) = summarize([*published, *tuned["backprop"], *tuned["fa"]])
    assert [(row.rule, row.tuned, row.rank) for row in both.rows[:2]] == [("backprop", True, 1), ("fa", True, 2)]
    assert {row.unranked_reason for row in both.rows[2:]} == {"published settings; here tuned ones are compared"}
    assert [[c.against for c in row.comparisons] for row in both.rows] == [[], ["backprop"], [], []]
    (one,) = summarize([*published, *tuned["fa"]])
    assert [(row.rule, row.rank) for row in one.rows if not row.tuned] == [("backprop", 1), ("fa", 2)]
    assert [(row.rank, row.comparisons) for row in one.rows if row.tuned] == [(None, ())]
