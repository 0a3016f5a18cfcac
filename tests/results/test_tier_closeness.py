"""Oracle: means of both tiers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.results.tables import summarize
from benchsuite.results.tier_closeness import tier_closeness
from tests.factories import make_seeds


def rate(value: float, **protocol: Any) -> dict[str, Any]:
    return {**protocol, "optimizer": {"kind": "sgd", "learning_rate": value}}


QUICK = [
    *make_seeds("backprop", [0.02, 0.03, 0.04], protocol=rate(0.1, epochs=3)),
    *make_seeds("backprop", [0.01, 0.01, 0.01], protocol=rate(0.5, epochs=3)),
    *make_seeds("fa", [0.1, 0.1, 0.1], protocol=rate(0.1, epochs=3)),
]


def test_closeness_is_between_equal_settings_of_the_baseline() -> None:
    """Catches a pair of two learning rates or two rules, which says nothing of how much longer training helps."""
    paper = make_seeds("backprop", [0.02, 0.02, 0.02], tier="paper", protocol=rate(0.1, epochs=9))
    fa = make_seeds("fa", [0.01, 0.01, 0.01], tier="paper", protocol=rate(0.1, epochs=9))
    tables = summarize([*QUICK, *paper, *fa])
    (quick,) = (table for table in tables if table.tier == "quick")
    found = tier_closeness(tables)
    assert list(found) == [quick.table_id]
    assert (found[quick.table_id].quick.mean, found[quick.table_id].paper.mean) == (pytest.approx(0.03), 0.02)
    assert found[quick.table_id].difference == pytest.approx(0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": rate(0.2)},
        {"protocol": rate(0.1, batch_size=64)},
        {"architecture": {"layers": [{"kind": "dense", "units": 8}]}},
        {"tier": "smoke"},
    ],
    ids=["rate", "batch", "network", "tier"],
)
def test_other_settings_have_no_closeness(change: dict[str, Any]) -> None:
    paper = make_seeds("backprop", [0.02, 0.02, 0.02], **{"tier": "paper", "protocol": rate(0.1), **change})
    assert not tier_closeness(summarize([*QUICK, *paper]))
