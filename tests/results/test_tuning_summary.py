"""Oracle: gaps worked out by hand, and pairs of rules counted one by one."""

from __future__ import annotations

from itertools import combinations

import pytest

from benchsuite.results.tables import summarize
from benchsuite.results.tuning_summary import tuning_tables
from tests.factories import make_seeds, make_tuned_seeds, make_tuning

PUBLISHED = {"backprop": [0.02, 0.03, 0.04], "fa": [0.10, 0.12, 0.14], "dfa": [0.08, 0.09, 0.10]}
TUNED = {"backprop": [0.02, 0.02, 0.02], "fa": [0.03, 0.04, 0.05], "dfa": [0.05, 0.06, 0.07]}


@pytest.fixture(scope="module")
def table():
    """Return the tunings of three rules with final runs of both settings, and rows that must not be taken for them."""
    tunings = [make_tuning(rule) for rule in PUBLISHED]
    records = [r for rule, errors in PUBLISHED.items() for r in make_seeds(rule, errors)]
    records += [r for tuning in tunings for r in make_tuned_seeds(tuning, TUNED[tuning.spec.run.rule.name])]
    records += make_seeds("fa", [0.9, 0.9, 0.9], protocol={"optimizer": {"kind": "sgd", "learning_rate": 0.5}})
    records += make_seeds("fa", [0.8, 0.8, 0.8], protocol={"batch_size": 64})
    records += make_tuned_seeds(tunings[1], [0.7, 0.7, 0.7], protocol={"frozen": "lower_half"})
    (found,) = tuning_tables([*tunings, tunings[0]], summarize(records))
    return found


def test_both_rows_of_a_rule_are_found_among_other_settings_of_it(table):
    """Catches a published row that is any row of the rule, such as one with a rate from the command line."""
    found = {rule.label: rule for rule in table.rules}
    assert list(found) == ["backprop", "dfa", "fa"]
    for name, rule in found.items():
        assert rule.published_error.mean == pytest.approx(sum(PUBLISHED[name]) / 3)
        assert rule.tuned_error.mean == pytest.approx(sum(TUNED[name]) / 3)
        assert rule.published_rate == 0.1


def test_the_share_of_a_gap_that_is_tuning_is_that_of_the_paired_gaps(table):
    """Catches a tuned rule that is compared with untuned backprop, whose gap would look smaller than it is."""
    gap = next(rule.gap for rule in table.rules if rule.label == "fa")
    assert gap.published.mean == pytest.approx(0.09)
    assert gap.tuned.mean == pytest.approx(0.02)
    assert (gap.closed.mean, gap.closed.n) == (pytest.approx(0.07), 3)
    assert gap.share == pytest.approx(7 / 9)
    assert next(rule.gap for rule in table.rules if rule.label == "backprop") is None


def test_the_rank_correlation_is_that_of_all_pairs_of_rules(table):
    """Catches tuned errors that are paired with another rule's."""
    signs = [
        1 if (sum(PUBLISHED[a]) - sum(PUBLISHED[b])) * (sum(TUNED[a]) - sum(TUNED[b])) > 0 else -1
        for a, b in combinations(PUBLISHED, 2)
    ]
    assert (table.correlation, table.correlated) == (pytest.approx(sum(signs) / len(signs)), 3)


def test_two_rules_or_an_incomplete_one_have_no_rank_correlation():
    """Catches a correlation of 1 or -1 that two rules always have."""
    tunings = [make_tuning(rule) for rule in ("backprop", "fa")]
    records = [r for rule in ("backprop", "fa") for r in make_seeds(rule, PUBLISHED[rule])]
    records += [r for tuning in tunings for r in make_tuned_seeds(tuning, TUNED[tuning.spec.run.rule.name])]
    (found,) = tuning_tables(tunings, summarize(records))
    assert (found.correlation, found.correlated) == (None, 2)


def test_tuned_rows_are_compared_with_tuned_backprop():
    """Catches a gap between rules with unequal effort behind their settings."""
    tunings = [make_tuning("backprop"), make_tuning("fa", (0.1, 0.3, None, 0.2))]
    records = [*make_seeds("backprop", PUBLISHED["backprop"]), *make_seeds("fa", PUBLISHED["fa"])]
    records += [r for tuning in tunings for r in make_tuned_seeds(tuning, TUNED[tuning.spec.run.rule.name])]
    (table,) = summarize(records)
    gaps = {row.label: row.gap.difference.mean for row in table.rows if row.gap.difference and row.rule == "fa"}
    assert gaps == {"fa": pytest.approx(0.09), "fa, tuned (4 trials)": pytest.approx(0.02)}
