"""Oracle: what a reader of the front page must be able to tell from a cell, on records small enough to count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.results.tables import summarize
from benchsuite_leaderboard.matrix import GAP_LIMITS, GAP_WORDS, build_matrix, main_rows, shade
from tests.factories import make_tuned_seeds, make_tuning


def cells_of(records):
    (line,) = (matrix := build_matrix(summarize(records))).lines
    return dict(zip(matrix.rules, line.cells, strict=True))


def test_an_empty_cell_says_why(make_record, make_seeds):
    records = [
        *make_seeds("backprop", [0.1, 0.11]),
        make_record("fa", 0, status="diverged", reason="the loss was not finite", fingerprint=None),
        make_record("gait", 0, status="incompatible", reason="needs invertible maps", curve=[], fingerprint=None),
        make_record("dfa", 0, 0.2, track="other"),
    ]
    matrix = build_matrix(summarize(records))
    assert matrix.rules == ("backprop", "dfa", "fa", "gait")
    here = dict(zip(matrix.rules, matrix.lines[0].cells, strict=True))
    assert (here["fa"].empty, here["fa"].reason) == ("diverged", "the loss was not finite")
    assert (here["gait"].empty, here["gait"].reason) == ("incompatible", "needs invertible maps")
    assert (here["dfa"].empty, here["dfa"].row_id) == ("not run", "")
    assert here["backprop"].empty == ""
    assert here["backprop"].row is not None
    assert all(here[rule].row is None for rule in ("fa", "gait", "dfa"))


def test_the_gap_is_to_backprop_and_its_colour_follows_it(make_seeds):
    cells = cells_of([*make_seeds("backprop", [0.10, 0.12]), *make_seeds("fa", [0.15, 0.17])])
    assert cells["fa"].gap == pytest.approx(0.05)
    assert GAP_WORDS[cells["fa"].shade] == "up to 10"
    assert (cells["backprop"].gap, cells["backprop"].shade) == (None, None)


@given(st.floats(-1, 1))
def test_a_shade_holds_what_its_words_say(gap):
    number = shade(gap)
    assert number == sum(limit <= gap for limit in GAP_LIMITS)
    assert 0 <= number < len(GAP_WORDS)


@given(st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_row_that_stands_for_a_rule_does_not_depend_on_its_result(make_seeds, errors):
    """Choosing the better of two settings by its test error would tune on the test set."""
    records = [
        r for scale, e in zip((1, 2), errors, strict=True) for r in make_seeds("fa", [e, e], config={"scale": scale})
    ]
    (table,) = summarize(records)
    assert main_rows(table)["fa"].config == {"scale": 1}


def test_a_row_with_a_failed_seed_yields_to_a_complete_one(make_record, make_seeds):
    lucky = [*make_seeds("fa", [0.01, 0.01], config={"a": 1}), make_record("fa", 2, status="diverged", config={"a": 1})]
    (table,) = summarize([*lucky, *make_seeds("fa", [0.3, 0.3], config={"b": 1})])
    assert main_rows(table)["fa"].config == {"b": 1}
    assert cells_of([*lucky, *make_seeds("fa", [0.3, 0.3], config={"b": 1})])["fa"].others == 1


def test_where_tuned_rows_are_compared_they_stand_for_their_rules(make_seeds):
    """Catches a front page and ranks over tracks from settings that were chosen for another rule."""
    errors = {"backprop": [0.10, 0.11, 0.12], "fa": [0.2, 0.21, 0.22]}
    published = [record for rule, values in errors.items() for record in make_seeds(rule, values)]
    tuned = [
        record
        for rule, values in errors.items()
        for record in make_tuned_seeds(make_tuning(rule, [0.3, 0.1]), [value / 2 for value in values])
    ]
    cells = cells_of([*published, *tuned])
    assert {rule: cell.row is not None and cell.row.tuned for rule, cell in cells.items()} == {
        "backprop": True,
        "fa": True,
    }
    assert cells["backprop"].gap is None
    assert cells["fa"].gap == pytest.approx(0.05)
