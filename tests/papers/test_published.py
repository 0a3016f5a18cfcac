"""Oracle: differences worked out by hand; a published value belongs to its own conditions and no others."""

from __future__ import annotations

import re

import pytest

from benchsuite.papers.published import PublishedNumber
from benchsuite.papers.published_lookup import published_beside
from benchsuite.papers.statements import Papers
from benchsuite.results.tables import summarize
from benchsuite.specs.models.reference import PublishedValue, ReferenceSpec

from ..built_site import pages_of


def published(spec, value=9.5, **fields):
    plain = {"track": spec.track, "rule": spec.rule.name, "metric": "test_error_percent", "value": value, **fields}
    entry = PublishedValue.model_validate(plain)
    return PublishedNumber(spec, entry, ReferenceSpec(name="a", source="Somebody 1999", runs=5, entries=(entry,)))


def test_a_row_has_the_published_error_and_its_mean_minus_it(make_seeds):
    """Would catch per cent taken for a fraction, and the difference the wrong way round."""
    records = make_seeds("dfa", [0.10, 0.12])
    (table,) = summarize(records, published_beside([published(records[0].spec)]))
    (row,) = table.rows
    assert row.published.test_error == pytest.approx(0.095)
    assert row.published.difference == pytest.approx(0.015)
    assert "Somebody 1999" in row.published.remark
    assert "5 runs" in row.published.remark


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": "smoke"},
        {"track": "another"},
        {"config": {"scale": 2}},
        {"protocol": {"epochs": 2}},
        {"architecture": {"layers": []}},
        {"dataset": {"train_limit": 100}},
    ],
)
def test_a_row_under_other_conditions_has_none(make_record, changes):
    """Would catch twenty epochs compared with the paper's two hundred."""
    value = published(make_record("dfa").spec)
    (table,) = summarize([make_record("dfa", **changes)], published_beside([value]))
    assert table.rows[0].published is None


def test_seed_machine_and_diagnostics_are_no_conditions(make_record):
    spec = make_record("dfa").spec
    there = spec.model_copy(
        update={
            "seed": 7,
            "hardware": spec.hardware.model_copy(update={"device": "cuda"}),
            "diagnostics": spec.diagnostics.model_copy(update={"every_epochs": 9}),
        }
    )
    (table,) = summarize([make_record("dfa", seed=3)], published_beside([published(there)]))
    assert table.rows[0].published is not None


def test_a_bound_has_no_difference(make_seeds):
    records = make_seeds("dfa", [0.1, 0.2])
    (table,) = summarize(records, published_beside([published(records[0].spec, relation="at_most")]))
    assert table.rows[0].published.is_bound
    assert table.rows[0].published.difference is None


def test_a_row_without_a_mean_shows_the_value_alone(make_record):
    record = make_record("dfa", status="diverged", reason="x")
    (table,) = summarize([record], published_beside([published(record.spec)]))
    assert table.rows[0].published.difference is None


def test_a_page_has_the_column_only_where_something_is_published(make_seeds):
    records = [*make_seeds("dfa", [0.10, 0.12]), *make_seeds("fa", [0.3, 0.3])]
    without = pages_of(records)["tracks/digits-fc.html"]
    value = published(records[0].spec, note="<script>alert(1)</script>")
    shown = pages_of(records, papers=Papers([value]))["tracks/digits-fc.html"]
    assert ">Published<" not in without
    assert ">Published<" in shown
    assert re.search(r"<summary>9\.50</summary>.*</details><small>\+1\.50</small>", shown)
    assert "<script>alert" not in shown
    # The runs of each row, unfolded below it, are as wide as the table.
    widths, before = ([int(width) for width in re.findall(r'<td colspan="(\d+)">', page)] for page in (shown, without))
    assert widths == [width + 1 for width in before]
    assert len(widths) == 2
