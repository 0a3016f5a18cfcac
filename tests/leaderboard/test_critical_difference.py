"""Oracles: Demšar 2006 (JMLR 7), whose table of critical values and worked example are below, and SciPy's tests."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchsuite.results.tables import summarize
from benchsuite_leaderboard.critical_difference import (
    friedman_p,
    friedman_statistic,
    iman_davenport,
    indistinguishable_from,
    indistinguishable_groups,
    largest_block,
    nemenyi_distance,
    rank_rules,
)

# Table 5(a): critical values q for the two-tailed Nemenyi test at 0.05.
DEMSAR_Q = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize(("rules", "q"), DEMSAR_Q.items())
def test_critical_values_are_those_of_demsars_table(rules, q):
    assert nemenyi_distance(rules, 1) == pytest.approx(q * math.sqrt(rules * (rules + 1) / 6), rel=5e-4)


@pytest.mark.parametrize("rules", [2, 11, 15, 37, 50, 51, 60])
def test_critical_values_are_scipys_within_the_table_and_beyond_it(rules):
    q = stats.studentized_range.ppf(0.95, rules, math.inf)
    assert nemenyi_distance(rules, 6) == pytest.approx(q * math.sqrt(rules * (rules + 1) / 72), rel=1e-5)


@given(st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=5, max_size=5), min_size=3, max_size=6))
def test_friedmans_statistic_is_scipys_also_with_ties(errors):
    expected = stats.friedmanchisquare(*errors).statistic
    assert friedman_statistic(errors) == pytest.approx(expected, nan_ok=True)


def test_demsars_worked_example():
    """Section 3.2.2: four algorithms on 14 data sets, chi squared 9.28, F 3.69, critical difference 1.25."""
    assert iman_davenport(9.28, 4, 14) == pytest.approx(3.69, abs=0.01)
    assert nemenyi_distance(4, 14) == pytest.approx(1.25, abs=0.005)


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=3, max_size=6))
def test_friedmans_p_follows_scipys_statistic(errors):
    chi_squared = stats.friedmanchisquare(*errors).statistic
    found = friedman_p(errors)
    if math.isnan(chi_squared) or 4 * (len(errors) - 1) - chi_squared <= 1e-9:
        assert found is None
    else:
        f = 3 * chi_squared / (4 * (len(errors) - 1) - chi_squared)
        assert found == pytest.approx(stats.f.sf(f, len(errors) - 1, 3 * (len(errors) - 1)))


def test_rules_are_ranked_over_the_tracks_that_all_have(make_record, make_seeds):
    records = []
    for number, track in enumerate(("t1", "t2", "t3")):
        records += make_seeds("backprop", [0.1, 0.1, 0.1], track=track)
        records += make_seeds("fa", [0.2, 0.2, 0.2 + number / 100], track=track)
        records += make_seeds("dfa", [0.3, 0.3, 0.3], track=track)
    records += make_seeds("rare", [0.01, 0.01, 0.01], track="t1")
    records += [*make_seeds("lucky", [0.01] * 3, track="t2"), make_record("lucky", 3, status="diverged", track="t2")]
    (ranking,) = rank_rules(summarize(records))
    assert ranking.ranks == (("backprop", 1), ("fa", 2), ("dfa", 3))
    assert ranking.tracks == ("t1", "t2", "t3")
    assert ranking.left_out == (("rare", 1),), "a rule with a failed seed has no place on its track"
    assert ranking.alike == (("backprop", "fa"), ("fa", "dfa"))
    assert indistinguishable_from(ranking, "fa") == ["backprop", "dfa"]


def test_equal_errors_share_a_rank(make_seeds):
    records = [
        r
        for track in ("t1", "t2")
        for rule, e in (("backprop", 0.1), ("fa", 0.1), ("dfa", 0.2))
        for r in make_seeds(rule, [e, e, e], track=track)
    ]
    (ranking,) = rank_rules(summarize(records))
    assert dict(ranking.ranks) == {"backprop": 1.5, "fa": 1.5, "dfa": 3}


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.sets(st.integers(0, 5)), max_size=6))
def test_the_block_has_no_hole(covered):
    errors = {rule: {f"t{t}": 0.1 for t in tracks} for rule, tracks in covered.items()}
    rules, tracks = largest_block(errors)
    assert all(track in errors[rule] for rule in rules for track in tracks)
    assert (len(rules) >= 3 and len(tracks) >= 2) or not (rules or tracks)


def test_sets_that_are_not_told_apart_are_the_largest_ones():
    ranks = (("a", 1.0), ("b", 1.8), ("c", 2.5), ("d", 5.0))
    assert indistinguishable_groups(ranks, 1.0) == (("a", "b"), ("b", "c"))
    assert indistinguishable_groups(ranks, 2.0) == (("a", "b", "c"),)
