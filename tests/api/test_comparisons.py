"""Oracle: differences worked out by hand; conditions of which one is not the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.results.statistics import paired_difference, paired_p_value

Make = Callable[..., Any]
LEFT, RIGHT = [0.25, 0.24, 0.23], [0.11, 0.12, 0.10]
OTHER_RATE = {"optimizer": {"kind": "sgd", "learning_rate": 0.5}}


def test_the_difference_is_paired_by_seed(make_seeds: Make) -> None:
    """Catches sides swapped, seeds matched by their order, and a difference of means in its place."""
    left = make_seeds("gevb", LEFT)
    (row,) = bs.compare([*reversed(left), *make_seeds("backprop", RIGHT)], "gevb", "backprop")
    assert row.difference == paired_difference(dict(enumerate(LEFT)), dict(enumerate(RIGHT)))
    assert row.difference.mean == pytest.approx(0.13)
    assert row.p_value == paired_p_value(row.difference)
    assert row.better == "right"
    (row,) = bs.compare([*left, *make_seeds("backprop", RIGHT)], "backprop", "gevb")
    assert (row.better, row.difference.mean < 0) == ("left", True)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"fingerprint": "cd" * 32}, "other data"),
        ({"architecture": {"layers": []}}, "another network"),
        ({"protocol": OTHER_RATE}, r"another protocol \(optimizer.learning_rate\)"),
        ({"hardware_class": "another machine"}, "another hardware class"),
        ({"precision": "bf16"}, "another precision"),
    ],
)
def test_what_was_made_otherwise_is_not_compared(make_seeds: Make, fields: dict[str, Any], reason: str) -> None:
    """Catches a difference between machines, data or protocols shown as one between rules."""
    records = [*make_seeds("gevb", LEFT, **fields), *make_seeds("backprop", RIGHT)]
    comparison = bs.compare(records, "gevb", "backprop")
    assert len(comparison) == 0
    (left_out,) = comparison.not_compared
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(left_out)
    assert str(left_out) in comparison.table()


def test_own_protocols_are_compared_if_asked_for(make_seeds: Make) -> None:
    """Catches an option that lets other differences through too."""
    records = [*make_seeds("gevb", LEFT, protocol=OTHER_RATE), *make_seeds("backprop", RIGHT)]
    assert len(bs.compare(records, "gevb", "backprop", own_protocols=True)) == 1
    records = [*make_seeds("gevb", LEFT, protocol=OTHER_RATE, precision="bf16"), *make_seeds("backprop", RIGHT)]
    (left_out,) = bs.compare(records, "gevb", "backprop", own_protocols=True).not_compared
    assert left_out.reasons == ("another precision (bf16 against fp32)",)


def test_failed_seeds_are_in_no_number_and_are_named(make_seeds: Make, make_record: Make) -> None:
    """Catches a mean over the lucky seeds without a word."""
    lost = make_record("gevb", 2, 0.1, status="diverged", reason="not a number")
    records = [*make_seeds("gevb", LEFT[:2]), lost, *make_seeds("backprop", RIGHT)]
    (row,) = bs.compare(records, "gevb", "backprop")
    assert row.difference.n == 2
    assert row.remarks == ("gevb: 2 of 3 seeds",)
    only_lost = bs.compare([lost, *make_seeds("backprop", RIGHT)], "gevb", "backprop")
    assert [left_out.reasons for left_out in only_lost.not_compared] == [("no seed that both completed",)]


def test_every_track_that_both_share_is_there_and_no_other(make_seeds: Make) -> None:
    """Catches tracks left out, and a track of one rule alone told as a failure."""
    records = [
        *make_seeds("gevb", LEFT),
        *make_seeds("backprop", RIGHT),
        *make_seeds("gevb", LEFT, track="mnist-fc"),
        *make_seeds("backprop", RIGHT, track="mnist-fc"),
        *make_seeds("gevb", LEFT, track="cifar10-fc"),
    ]
    comparison = bs.compare(records, "gevb", "backprop")
    assert [row.table.track for row in comparison] == ["digits-fc", "mnist-fc"]
    assert comparison.not_compared == ()
    assert [row["better"] for row in comparison.as_data()["rows"]] == ["right", "right"]


def test_a_rule_without_records_is_told_with_the_nearest(make_seeds: Make) -> None:
    """Catches an empty comparison of a misspelt name."""
    with pytest.raises(bs.EmptySelectionError, match="did you mean 'gevb'"):
        bs.compare(make_seeds("gevb", LEFT), "gvb", "backprop")
