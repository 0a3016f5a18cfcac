"""Oracle: the rules of comparison as docs state them; numbers small enough to check by hand."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.records.model import RunStatus
from benchsuite.results.tables import summarize

STATUSES = get_args(RunStatus)
FAILED = [s for s in STATUSES if s != "completed"]


def row_of(table, label):
    return next(r for r in table.rows if r.label == label)


@given(
    outcomes=st.lists(st.tuples(st.sampled_from(STATUSES), st.floats(0, 1)), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_only_completed_runs_enter_a_mean_and_every_run_shows(make_record, outcomes):
    records = [make_record("rule", s, e, status=status) for s, (status, e) in enumerate(outcomes)]
    (table,) = summarize(records)
    (row,) = table.rows
    good = [e for status, e in outcomes if status == "completed"]
    assert row.completed == len(good)
    assert row.total == len(outcomes) == len(row.runs)
    assert sum(count for _, count in row.failures) == len(outcomes) - len(good)
    if good:
        assert row.test_error.mean == pytest.approx(sum(good) / len(good))
        assert row.test_error.n == len(good)
    else:
        assert row.test_error is None
        assert row.train_error is None
    if len(good) < len(outcomes):
        assert (row.rank, row.versus_best) == (None, None)


@pytest.mark.parametrize("status", FAILED)
def test_incomplete_rule_gets_no_rank_even_with_the_lowest_mean(make_record, make_seeds, status):
    lucky = [*make_seeds("lucky", [0.01, 0.01]), make_record("lucky", 2, 0.9, status=status, reason="why")]
    (table,) = summarize([*lucky, *make_seeds("steady", [0.2, 0.21, 0.22])])
    row = row_of(table, "lucky")
    assert (row.rank, row.versus_best, row.complete) == (None, None, False)
    assert row.unranked_reason == "incomplete: 2 of 3 seeds"
    assert row.failures == ((status, 1),)
    assert [r.label for r in table.rows] == ["steady", "lucky"]
    assert (table.rows[0].rank, table.rows[0].versus_best) == (1, "best")


def test_a_completed_run_without_a_test_error_after_its_last_epoch_does_not_count(make_record):
    (table,) = summarize([make_record("rule", 0, 0.1), make_record("rule", 1, 0.2, measured=False)])
    (row,) = table.rows
    assert row.completed == 1
    assert row.test_error.mean == pytest.approx(0.1)
    assert row.failures == (("completed without a test error", 1),)


def test_the_final_error_counts_and_not_the_smallest(make_record):
    (table,) = summarize([make_record("rule", s, curve=[0.5, 0.1, 0.3]) for s in range(2)])
    assert table.rows[0].test_error.mean == pytest.approx(0.3)


def test_gap_is_paired_with_backprop_by_seed(make_seeds):
    (table,) = summarize([*make_seeds("backprop", [0.1, 0.2, 0.3]), *make_seeds("rule", [0.15, 0.25, 0.35, 0.95])])
    gap = row_of(table, "rule").gap.difference
    assert gap.n == 3
    assert gap.mean == pytest.approx(0.05)
    assert gap.low == pytest.approx(0.05)
    assert row_of(table, "backprop").gap.difference is None


def test_gap_without_backprop_says_why_there_is_none(make_seeds):
    (table,) = summarize(make_seeds("rule", [0.1, 0.2]))
    assert table.rows[0].gap.difference is None
    assert "backprop" in table.rows[0].gap.remark


def test_ties_are_those_whose_paired_interval_includes_zero(make_seeds):
    (table,) = summarize(
        [
            *make_seeds("best", [0.10, 0.20, 0.30]),
            *make_seeds("close", [0.12, 0.19, 0.31]),
            *make_seeds("far", [0.15, 0.25, 0.36]),
            *make_seeds("elsewhere", [0.9, 0.9, 0.9], tier="smoke"),
        ]
    )[1:]
    assert [(r.label, r.rank, r.versus_best) for r in table.rows] == [
        ("best", 1, "best"),
        ("close", 1, "tie"),
        ("far", 3, "behind"),
    ]


def test_a_row_that_beats_the_best_on_their_shared_seeds_is_not_called_behind(make_seeds):
    best = make_seeds("best", [0.30, 0.31, 0.32, 0.0, 0.0, 0.0])
    (table,) = summarize([*best, *make_seeds("short", [0.20, 0.21, 0.22])])
    assert [(r.label, r.rank, r.versus_best) for r in table.rows] == [("best", 1, "best"), ("short", 1, "tie")]


def test_a_row_that_shares_too_few_seeds_with_the_best_is_not_ranked(make_record, make_seeds):
    """Catches a good rank for want of evidence: nothing is significantly better than a row without shared seeds."""
    elsewhere = [make_record("elsewhere", seed, 0.9) for seed in (2, 7, 8)]
    (table,) = summarize([*make_seeds("best", [0.1, 0.11, 0.12]), *elsewhere])
    assert [(r.label, r.rank) for r in table.rows] == [("best", 1), ("elsewhere", None)]
    assert table.rows[1].unranked_reason == "fewer than 3 seeds shared with the best row, best"


def test_a_rank_counts_the_rows_that_are_significantly_better(make_seeds):
    """Catches ranks by mean alone, and a tie with the second row that is called a tie with the first."""
    rows = {"a": [0.10, 0.11, 0.12], "b": [0.2, 0.21, 0.22], "c": [0.21, 0.20, 0.23], "d": [0.3, 0.31, 0.32]}
    (table,) = summarize([record for name, values in rows.items() for record in make_seeds(name, values)])
    found = [(r.label, r.rank, r.versus_best) for r in table.rows]
    assert found == [("a", 1, "best"), ("b", 2, "behind"), ("c", 2, "behind"), ("d", 4, "behind")]


def test_fewer_seeds_than_most_rows_are_noted(make_seeds):
    full = [r for name in ("a", "b") for r in make_seeds(name, [0.1, 0.2, 0.3])]
    (table,) = summarize([*full, *make_seeds("c", [0.1, 0.2])])
    assert row_of(table, "c").notes == ("fewer seeds than most rows, which have 3",)
    assert row_of(table, "a").notes == ()


@pytest.mark.parametrize("values", [[0.01], [0.01, 0.01]])
def test_fewer_than_three_seeds_are_not_ranked(make_seeds, values):
    (table,) = summarize([*make_seeds("few", values), *make_seeds("rule", [0.1, 0.2, 0.3])])
    assert [(r.label, r.rank, r.versus_best) for r in table.rows] == [("rule", 1, "best"), ("few", None, None)]
    assert "a rank takes 3" in table.rows[1].unranked_reason
    assert table.rows[1].test_error.low is None


def test_cost_is_relative_to_backprop_on_the_same_hardware_class(make_seeds):
    (table,) = summarize(
        [
            *make_seeds("backprop", [0.1, 0.2], step_time_ms=2.0),
            *make_seeds("rule", [0.1, 0.2], step_time_ms=3.0),
            *make_seeds("rule", [0.1, 0.2], step_time_ms=0.1, hardware_class="gpu"),
        ]
    )
    assert row_of(table, "rule (cpu-8-core)").cost.ratio == pytest.approx(1.5)
    elsewhere = row_of(table, "rule (gpu)").cost
    assert elsewhere.ratio is None
    assert "hardware class" in elsewhere.remark
    assert row_of(table, "rule (gpu)").gap.difference is not None, "errors, unlike costs, are compared across classes"


@pytest.mark.parametrize(
    ("field", "values"), [("threads", (8, 1)), ("precision", ("fp32", "bf16")), ("protocol", ({}, {"batch_size": 64}))]
)
def test_cost_is_not_compared_where_a_step_is_another_thing(make_seeds, field, values):
    (table,) = summarize(
        [
            *make_seeds("backprop", [0.1, 0.2], **{field: values[0]}),
            *make_seeds("rule", [0.1, 0.2], **{field: values[1]}),
        ]
    )
    assert row_of(table, "rule").cost.ratio is None


def test_failed_runs_do_not_enter_the_cost(make_record, make_seeds):
    (table,) = summarize(
        [
            *make_seeds("backprop", [0.1, 0.2], step_time_ms=2.0),
            make_record("rule", 0, 0.1, step_time_ms=4.0),
            make_record("rule", 1, 0.1, step_time_ms=900.0, status="diverged"),
        ]
    )
    assert row_of(table, "rule").cost.ratio == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architecture": {"layers": [{"kind": "dense", "units": 9}]}}, "architecture.layers[0].units"),
        ({"dataset": {"train_limit": 100}}, "dataset.train_limit"),
        ({"fingerprint": "99" * 32}, "data.fingerprint"),
    ],
)
def test_runs_under_other_conditions_get_a_table_that_names_the_difference(make_seeds, change, named):
    tables = summarize([*make_seeds("backprop", [0.1, 0.2]), *make_seeds("rule", [0.1, 0.2], **change)])
    assert len({t.table_id for t in tables}) == 2
    for table in tables:
        assert named in [d.field for d in table.differences]
        assert len(table.rows) == 1


def test_a_title_is_no_difference(make_seeds):
    other = make_seeds("rule", [0.1, 0.2], dataset={"title": "Another title"})
    (table,) = summarize([*make_seeds("backprop", [0.1, 0.2]), *other])
    assert table.differences == ()


def test_another_protocol_is_a_note_on_the_row(make_seeds):
    own = make_seeds("gevb", [0.1, 0.2, 0.2], protocol={"batch_size": 64})
    (table,) = summarize([*make_seeds("backprop", [0.1, 0.2, 0.2]), *make_seeds("dfa", [0.1, 0.2, 0.2]), *own])
    (difference,) = row_of(table, "gevb").protocol_differences
    assert (difference.field, difference.value, difference.usual) == ("protocol.batch_size", "64", "32")
    assert row_of(table, "gevb").rank is not None
    assert row_of(table, "backprop").notes == ()


def test_a_second_protocol_of_one_rule_is_shown_and_not_ranked(make_seeds):
    longer = make_seeds("backprop", [0.01, 0.02, 0.02], protocol={"epochs": 9})
    (table,) = summarize([*make_seeds("backprop", [0.1, 0.2, 0.2]), *longer, *make_seeds("dfa", [0.1, 0.2, 0.2])])
    assert row_of(table, "backprop (epochs=9)").rank is None
    assert row_of(table, "backprop (epochs=3)").rank == 1


def test_rows_are_told_apart_by_configuration(make_seeds):
    (table,) = summarize(
        [*make_seeds("rule", [0.1, 0.2], config={"scale": 1}), *make_seeds("rule", [0.3, 0.4], config={"scale": 2})]
    )
    assert [r.label for r in table.rows] == ["rule (scale=1)", "rule (scale=2)"]
    assert [r.test_error.n for r in table.rows] == [2, 2]


def test_a_run_that_never_loaded_its_data_stands_with_its_track(make_record, make_seeds):
    lost = make_record("target-prop", 0, status="incompatible", reason="not invertible", curve=[], fingerprint=None)
    (table,) = summarize([*make_seeds("backprop", [0.1, 0.2]), lost])
    assert row_of(table, "target-prop").failures == (("incompatible", 1),)


def test_a_later_run_of_the_same_seed_replaces_the_earlier_one_which_still_shows(make_record):
    first = make_record("rule", 0, 0.5, ended_after_s=10)
    again = make_record("rule", 0, 0.1, ended_after_s=99)
    (table,) = summarize([again, first, make_record("rule", 1, 0.1)])
    (row,) = table.rows
    assert row.test_error.mean == pytest.approx(0.1)
    assert (row.total, len(row.runs)) == (2, 3)
    assert [r.superseded for r in row.runs] == [True, False, False]


def test_the_same_record_twice_counts_once(make_record):
    (table,) = summarize([make_record("rule", 0, 0.1)] * 3)
    assert table.runs == 1
    assert table.rows[0].test_error.n == 1


def test_runs_of_several_versions_in_one_row_are_noted(make_record):
    (table,) = summarize([make_record("rule", 0, 0.1), make_record("rule", 1, 0.1, rule_source_hash="99" * 32)])
    assert table.rows[0].notes == ("its runs were made with 2 versions of the rule's source",)


def test_the_mean_curve_ends_where_the_first_seed_ends(make_record):
    (table,) = summarize([make_record("rule", 0, curve=[0.5, 0.1]), make_record("rule", 1, curve=[0.7, 0.3, 0.2])])
    assert [(p.epoch, pytest.approx(p.mean), p.low, p.high) for p in table.rows[0].curve] == [
        (1, 0.6, 0.5, 0.7),
        (2, 0.2, 0.1, 0.3),
    ]


def test_an_undefined_diagnostic_is_a_hole_and_not_a_zero(make_record, make_angles):
    (table,) = summarize([make_record("rule", s, 0.1, diagnostics=make_angles(s, 2)) for s in range(2)])
    curves = {c.segment: c for c in table.rows[0].diagnostics}
    assert [p.epoch for p in curves["dense1"].points] == [1, 2]
    assert [p.epoch for p in curves["dense2"].points] == [0, 1, 2]
    assert curves["dense2"].points[0].mean == pytest.approx(88.15)


def test_tables_do_not_depend_on_the_order_of_records(make_record, make_seeds):
    records = [
        *make_seeds("backprop", [0.1, 0.2, 0.3]),
        *make_seeds("rule", [0.1, 0.2], config={"a": 1}),
        *make_seeds("rule", [0.1, 0.2], config={"a": 2}, hardware_class="gpu"),
        *make_seeds("rule", [0.1, 0.2], track="other"),
        make_record("rule", 5, status="crashed", reason="x", fingerprint=None, config={"a": 1}),
    ]
    expected = summarize(records)
    for seed in range(5):
        random.Random(seed).shuffle(records)  # noqa: S311 - an order, not a secret
        assert summarize(records) == expected


def test_no_records_give_no_tables():
    assert summarize([]) == []


PUBLISHED = {"kind": "cifar10", "name": "cifar10", "title": "CIFAR-10"}
LOSSY = {"kind": "arrays", "name": "cifar10-jpeg75", "path": "cifar10-jpeg75", "title": "CIFAR-10 images as JPEG"}


@pytest.mark.parametrize("fingerprints", [("ab" * 32, "cd" * 32), ("ab" * 32, "ab" * 32), (None, None)])
def test_lossy_copies_of_images_never_share_a_row_or_a_table_with_the_published_ones(make_record, fingerprints):
    """Even under one track's name, as `--set` or a user's own spec could have it, and even without a fingerprint."""
    records = [
        make_record(seed=seed, track="cifar10-simpnet", dataset=dataset, fingerprint=fingerprint)
        for dataset, fingerprint in zip((PUBLISHED, LOSSY), fingerprints, strict=True)
        for seed in range(3)
    ]
    tables = summarize(records)
    assert sorted(t.dataset_title for t in tables) == ["CIFAR-10", "CIFAR-10 images as JPEG"]
    for table in tables:
        assert [row.total for row in table.rows] == [3]
        assert {d.field for d in table.differences} >= {"dataset.kind", "dataset.name"}


def test_the_same_spec_on_other_values_is_another_table(make_record):
    """JPEG decoders that round otherwise, or a folder that was changed: the spec says the same, the fingerprint not."""
    records = [
        make_record(seed=seed, track="cifar10-jpeg75-simpnet", dataset=LOSSY, fingerprint=fingerprint)
        for fingerprint in ("ab" * 32, "cd" * 32)
        for seed in range(2)
    ]
    tables = summarize(records)
    assert len(tables) == 2
    assert all([d.field for d in t.differences] == ["data.fingerprint"] for t in tables)


def test_energy_is_the_median_where_every_run_was_counted_and_nothing_else(make_record):
    """Catches a mean over the counted half of a row beside whole rows."""
    whole = [make_record("whole", seed, 0.1, train_energy_j=joules) for seed, joules in enumerate((3e3, 9e3, 5e3))]
    half = [make_record("half", seed, 0.1, train_energy_j=joules) for seed, joules in enumerate((1e3, None, 2e3))]
    (table,) = summarize([*whole, *half, make_record("none", 0, 0.1)])
    assert row_of(table, "whole").train_energy_j == 5e3
    assert row_of(table, "half").train_energy_j is None
    assert row_of(table, "half").train_energy_source == "nothing counts / the whole GPU, counted by NVML"
    assert row_of(table, "none").train_energy_j is None


def test_the_top5_error_is_the_mean_where_every_counted_run_has_it_and_nothing_else(make_record):
    """Catches a mean over the half of a row that has it, and one that a failed run's last measurement got into."""
    whole = [make_record("whole", seed, 0.5, top5_error=e, classes=100) for seed, e in enumerate((0.1, 0.2, 0.3))]
    half = [make_record("half", seed, 0.5, top5_error=e, classes=100) for seed, e in enumerate((0.1, None, 0.3))]
    failed = make_record("whole", 3, 0.5, top5_error=0.9, classes=100, status="crashed", reason="x")
    unmeasured = make_record("whole", 4, 0.5, top5_error=0.9, classes=100, measured=False)
    (table,) = summarize([*whole, failed, unmeasured, *half, make_record("none", 0, 0.1, classes=100)])
    row = row_of(table, "whole")
    assert (row.top5_error.mean, row.top5_error.sd, row.top5_error.n) == (pytest.approx(0.2), pytest.approx(0.1), 3)
    assert [run.top5_error for run in row.runs] == [0.1, 0.2, 0.3, None, None]
    assert row_of(table, "half").top5_error is None
    assert row_of(table, "none").top5_error is None
    assert table.has_top5_error


def test_the_top5_error_of_ten_classes_is_not_shown(make_record):
    """Records have it from six classes on, but five of ten hold the right one every other time by chance."""
    for classes, is_shown in ((10, False), (11, True)):
        records = [make_record("rule", seed, 0.5, top5_error=0.1, classes=classes) for seed in range(2)]
        (table,) = summarize(records)
        assert table.has_top5_error == is_shown
        assert (table.rows[0].top5_error is not None) == is_shown
        assert [run.top5_error is not None for run in table.rows[0].runs] == [is_shown] * 2


def test_runs_that_waited_for_the_processor_give_no_time(make_record):
    """Catches a backprop that was made beside other programs, next to which every rule looks cheap."""
    busy = [make_record("backprop", s, 0.1, step_time_ms=9.0, train_processor_s=1.0) for s in (0, 1)]
    quiet = make_record("backprop", 2, 0.1, step_time_ms=3.0, train_processor_s=4.0)
    rule = [make_record("fa", s, 0.1, step_time_ms=3.3, train_processor_s=None) for s in range(3)]
    (table,) = summarize([*busy, quiet, *rule])
    assert row_of(table, "fa").cost.ratio == pytest.approx(1.1)
    assert not row_of(table, "fa").cost.waited
    assert row_of(table, "backprop").step_time_ms == 3.0
    assert row_of(table, "backprop").test_error.n == 3
    assert any("times are without 2 of its runs" in note for note in row_of(table, "backprop").notes)
    (table,) = summarize([*busy, *rule])
    assert row_of(table, "fa").cost.ratio is None
    assert "busy machine" in row_of(table, "fa").cost.remark
    assert all(row.cost.waited for row in table.rows)
    assert row_of(table, "backprop").cost.ratio is None
    assert row_of(table, "backprop").images_per_s is None
