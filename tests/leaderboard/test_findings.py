"""Oracle: records made so that the truth is known; a sentence must say it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.results.tables import summarize
from benchsuite_leaderboard.board import build_board
from benchsuite_leaderboard.findings import MOST_FINDINGS, find_findings
from benchsuite_leaderboard.names import RuleNames
from tests.factories import make_record, make_seeds, make_timing

LOW, MIDDLE, HIGH = [0.10, 0.11, 0.12], [0.15, 0.16, 0.17], [0.30, 0.31, 0.32]


def texts_of(records, claims=(), timings=()) -> list[str]:
    tables = summarize(records, timings=timings)
    return [finding.text for finding in find_findings(build_board(tables, None), claims, RuleNames())]


@dataclass(frozen=True)
class Claim:
    name: str

    @property
    def shown_as(self) -> str:
        return f"Claim {self.name}"


@dataclass(frozen=True)
class Verdict:
    verdict: str
    claim: Claim = Claim("x")


def test_ties_and_losers_are_named_with_their_gaps() -> None:
    """Catches a tie that is called behind, a gap with the wrong sign, and the control counted as a rule."""
    records = [
        *make_seeds("backprop", LOW),
        *make_seeds("near_one", [0.10, 0.12, 0.115]),
        *make_seeds("far_one", HIGH),
        *make_seeds("middle_one", MIDDLE),
        *make_seeds("readout_only", HIGH),
    ]
    told, behind, *_ = texts_of(records)
    start = "On digits-fc, 1 of 3 rules is not told apart from backprop (95 % interval of the gap, points): near one ("
    assert told.startswith(start)
    low, high = told.removeprefix(start).removesuffix(").").split(" to ")
    assert (low[0], high[0]) == ("−", "+")
    assert "2 rules are significantly behind backprop: middle one by 5.00 points" in behind
    assert "far one by 20.00 points" in behind
    assert "readout" not in told + behind


def test_a_rule_that_is_better_is_said_to_be() -> None:
    assert texts_of([*make_seeds("backprop", HIGH), *make_seeds("fa", LOW)]) == [
        "On digits-fc, fa (−20.00) is significantly better than backprop."
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2), st.lists(st.floats(0, 1), min_size=1, max_size=2))
@settings(max_examples=20, deadline=None)
def test_fewer_than_three_seeds_are_no_finding(one: list[float], other: list[float]) -> None:
    """Catches a sentence about two seeds that agree by chance."""
    assert texts_of([*make_seeds("backprop", one), *make_seeds("fa", other)]) == []


@given(st.lists(st.floats(0.05, 0.95), min_size=3, max_size=5), st.lists(st.floats(0.05, 0.95), min_size=3, max_size=5))
@settings(max_examples=25, deadline=None)
def test_a_sentence_agrees_with_the_interval(one: list[float], other: list[float]) -> None:
    """Catches a sentence whose words and interval part ways, for whatever numbers."""
    records = [*make_seeds("backprop", one), *make_seeds("fa", other)]
    (table,) = summarize(records)
    gap = next(row.gap.difference for row in table.rows if row.rule == "fa")
    found = " ".join(texts_of(records))
    assert ("1 of 1 rule is not told apart" in found) == (gap.low <= 0 <= gap.high)
    assert ("significantly behind" in found) == (gap.low > 0)
    assert ("is significantly better" in found) == (gap.high < 0)


def test_a_failed_seed_makes_no_finding() -> None:
    diverged = make_record("fa", 3, status="diverged", reason="not finite")
    assert texts_of([*make_seeds("backprop", LOW), *make_seeds("fa", HIGH), diverged]) == []


def test_a_rule_without_gain_over_the_readout_is_named_and_one_with_gain_is_not() -> None:
    """Catches the opposite of what the check found."""
    records = [
        *make_seeds("backprop", LOW),
        *make_seeds("deep", MIDDLE),
        *make_seeds("flat", HIGH),
        *make_seeds("readout_only", HIGH),
    ]
    (found,) = [text for text in texts_of(records) if "last layer alone" in text]
    assert "1 of 2 rules is not shown to gain from hidden layers: the error of flat is not" in found


def test_costs_are_those_of_the_timing_and_the_cheapest_is_among_those_not_behind() -> None:
    """Catches the cheapest of all rules named as the cheapest that keeps up."""
    records = [
        *make_seeds("backprop", LOW),
        *make_seeds("cheap", HIGH),
        *make_seeds("dear", LOW),
        *make_seeds("mid", LOW),
    ]
    timing = make_timing({"backprop": (2.0, 2.0), "cheap": (1.0, 1.0), "dear": (6.0, 6.0), "mid": (4.0, 4.0)})
    (found,) = [text for text in texts_of(records, timings=[timing]) if "training step" in text]
    assert "takes 0.5 (cheap) to 3 (dear) times as long as backprop's" in found
    assert found.endswith("mid is the cheapest: 2 times.")
    (found,) = [
        text for text in texts_of([*records, *make_seeds("new", LOW)], timings=[timing]) if "training step" in text
    ]
    assert found.endswith(
        "1 of 4 rules is not timed there. Of the timed rules that are not behind it, mid is the cheapest: 2 times."
    ), "a rule without a timing may be cheaper"


def test_a_network_that_guesses_is_said_to() -> None:
    found = texts_of([*make_seeds("backprop", LOW), *make_seeds("fa", [0.89, 0.9, 0.9])])
    assert any("fa (89.67 %) ends near chance, which is 90.00 %" in text for text in found)


def test_over_tasks_only_rules_with_all_results_count() -> None:
    records = []
    for track in ("one", "two"):
        records += make_seeds("backprop", LOW, track=track)
        records += make_seeds("always", HIGH, track=track)
        records += make_seeds("never", LOW, track=track)
    records += make_seeds("half", LOW, track="one")
    first = texts_of(records)[0]
    assert first == (
        "Of 2 rules with results on both tasks, 1 is significantly behind backprop on both, and 1 on none: never."
    )


@pytest.mark.parametrize("verdict", ["reproduced", "contradicted"])
def test_verdicts_are_counted_and_contradictions_named(verdict: str) -> None:
    """Catches undecided claims among the decided, and a contradiction that is only a number."""
    claims = [Verdict(verdict, Claim("one")), Verdict("not_enough_records", Claim("two"))]
    (found,) = texts_of([], claims)
    assert f"Of 2 claims that papers make, these records decide 1: 1 is {verdict}." in found
    assert ("“Claim one”" in found) == (verdict == "contradicted")
    assert texts_of([], [Verdict("not_enough_records")]) == []


def test_an_inconclusive_claim_is_counted_and_not_among_the_decided() -> None:
    """Catches a front page that says of claims whose intervals have the limit in them that records decide them."""
    verdicts = ["reproduced", "inconclusive", "contradicted", "inconclusive", "not_enough_records"]
    (found,) = texts_of([], [Verdict(verdict) for verdict in verdicts])
    assert found == (
        "Of 5 claims that papers make, these records decide 2: 1 is reproduced and 1 is contradicted. "
        "2 are inconclusive. Contradicted: “Claim x”."
    )
    (found,) = texts_of([], [Verdict("inconclusive"), Verdict("not_enough_records")])
    assert found == "Of 2 claims that papers make, these records decide 0. 1 is inconclusive."


def test_there_are_never_more_than_a_reader_takes_in() -> None:
    records = [*make_seeds("backprop", LOW), *make_seeds("readout_only", HIGH)]
    for number in range(6):
        records += make_seeds(f"rule-{number}", [e + number / 50 for e in LOW])
        records += make_seeds(f"rule-{number}", LOW, track="other")
    records += [*make_seeds("bad", [0.9, 0.9, 0.91]), *make_seeds("backprop", LOW, track="other")]
    found = texts_of(records, [Verdict("reproduced")])
    assert len(found) == MOST_FINDINGS
    assert found[-1].startswith("Of 1 claim")
