"""Oracle: numbers worked out by hand from made records, and the promises of ``build_site``."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from benchsuite.api.study_records import summarize_study
from benchsuite.records.store import BrokenRecord
from benchsuite.results.formatting import plain_mean_sd
from benchsuite.results.model import Estimate
from benchsuite.results.rule_style import rule_color
from benchsuite_leaderboard.charts.studies import study_figures, study_series
from benchsuite_leaderboard.site import build_site
from benchsuite_leaderboard.study_tables import summarize_studies

from ..built_site import pages_of

LABELS = ["updated_random_feedback, ε = 0", "updated_random_feedback, ε = 1", "backprop"]


def test_a_row_is_the_mean_of_logarithms_over_seeds(make_study):
    """Seeds end at 1e-2, 1e-1 and 1; the logarithm of the mean would be -0.43."""
    (table,) = summarize_studies([make_study()], summarize_study)
    assert [row.label for row in table.summary.rows] == LABELS
    error, *correlations = table.summary.rows[0].values
    assert (error.mean, error.sd, error.n) == pytest.approx((-1.0, 1.0, 3))
    assert [c.mean for c in correlations] == pytest.approx([0.4] * 3)
    of_errors, of_correlations = table.summary.figures
    last = of_errors.charts[0].curves[LABELS[0]][-1]
    assert (last.epoch, last.mean, last.low, last.high) == pytest.approx((4, -1.0, -2.0, 0.0))
    assert [p.epoch for p in of_correlations.charts[0].curves[LABELS[0]]] == [1, 2, 3, 4], "undefined at the start"
    assert table.summary.rows[2].values[1:] == (None,) * 3


def test_a_diverged_trajectory_is_counted_and_enters_no_mean(make_study):
    (table,) = summarize_studies([make_study(diverged={(0, 1), (2, 1), (1, 0)})], summarize_study)
    zero, one, _ = table.summary.rows
    assert (one.completed, one.total) == (1, 3)
    reason = "diverged: the error stopped being a finite number in iterations 3 to 4"
    assert one.failures == (f"seeds 0, 2 {reason}",)
    assert zero.failures == (f"seed 1 {reason}",)
    assert (one.values[0].mean, one.values[0].sd, one.values[0].n) == pytest.approx((-3.0, None, 1))
    assert [p.epoch for p in table.summary.figures[0].charts[0].curves[one.label]] == [0, 1, 2, 3, 4]


def test_a_row_without_a_completed_seed_has_no_number_and_no_line(make_study):
    record = make_study(diverged={(s, r) for s in range(3) for r in (0, 1, None)})
    (table,) = summarize_studies([record], summarize_study)
    assert [set(row.values) for row in table.summary.rows] == [{None}] * 3
    assert study_figures(table, 1000) == []
    page = pages_of([record], summarize=summarize_study)["studies/a-study.html"]
    assert page.count("seeds 0, 1, 2 diverged") == 3


def test_an_error_of_exactly_zero_has_no_logarithm_and_so_no_mean(make_study):
    """Of one seed alone: a mean over the other two would hide it."""
    record = make_study(ends=((0, 0.1), (1, 0.1)))
    record.result["trajectories"][0]["squared_error"][-1] = 0.0
    (table,) = summarize_studies([record], summarize_study)
    assert table.summary.rows[0].values[0] is None
    assert [p.epoch for p in table.summary.figures[0].charts[0].curves[LABELS[0]]] == [0, 1, 2, 3]
    assert table.summary.rows[1].values[0] is not None


def test_of_two_records_of_one_study_the_later_stands(make_study):
    early = make_study(command="early")
    late = early.model_copy(update={"command": "late", "ended_at": early.ended_at + timedelta(hours=1)})
    for records in ([early, late], [late, early]):
        (table,) = summarize_studies(records, summarize_study)
        assert table.command == "late"


def test_other_settings_are_another_table_on_the_same_page(make_study, tmp_path):
    records = [make_study(), make_study(step_size=0.2), make_study(name="another")]
    report = build_site(records, tmp_path / "site", summarize=summarize_study)
    assert report.studies == 3
    assert {f for f in report.files if f.startswith("studies/")} == {
        "studies/a-study.html",
        "studies/another.html",
    }
    page = (tmp_path / "site" / "studies" / "a-study.html").read_text(encoding="utf-8")
    assert page.count("<section") == 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_start_page_leads_to_each_study_and_back(make_study, make_seeds, tmp_path):
    build_site([*make_seeds("backprop", [0.1, 0.2]), make_study()], tmp_path / "site", summarize=summarize_study)
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="studies/a-study.html"' in index
    assert "<b>1</b> study" in index
    page = (tmp_path / "site" / "studies" / "a-study.html").read_text(encoding="utf-8")
    assert 'href="../index.html"' in page
    assert 'href="../index.html#matrix"' in page
    for address in re.findall(r'(?:href|src)="(\.\./[^"#]+)', page):
        assert (tmp_path / "site" / "studies" / address).resolve().is_file(), address


def test_the_same_studies_give_the_same_bytes_in_any_order(make_study, tmp_path):
    records = [make_study(), make_study(step_size=0.2)]
    for folder, given in (("one", records), ("two", records[::-1])):
        build_site(given, tmp_path / folder, summarize=summarize_study)
    names = ["index.html", "studies/a-study.html"]
    one, two = ([(tmp_path / folder / name).read_bytes() for name in names] for folder in ("one", "two"))
    assert one == two


def test_a_broken_study_is_listed(tmp_path):
    report = build_site([BrokenRecord(Path("studies/a.json"), "empty")], tmp_path / "site")
    assert (report.studies, len(report.broken)) == (0, 1)
    assert "studies/a.json" in report.index.read_text(encoding="utf-8")


def test_a_hostile_record_stays_text(make_study):
    hostile = '</script><img src=x onerror="alert(1)">'
    record = make_study(title=hostile, command=hostile, reason=hostile, diverged={(0, 1)})
    pages = pages_of([record], title=hostile, summarize=summarize_study)
    for page in (text for name, text in pages.items() if name.endswith(".html")):
        assert "<img" not in page
        assert "&lt;img" in page


def test_an_unsafe_name_becomes_no_file(make_study):
    record = make_study()
    spec = record.spec.model_copy(update={"name": "../outside"})
    with pytest.raises(ValueError, match="not a valid name"):
        pages_of([record.model_copy(update={"spec": spec})])


def test_settings_of_a_rule_have_its_colour_and_looks_of_their_own(make_study):
    """Catches a rule that is one colour in a study and another on a track."""
    (table,) = summarize_studies([make_study()], summarize_study)
    series = study_series(table.summary)
    assert series["backprop"].color == rule_color("backprop")
    assert {series[label].color for label in LABELS if label != "backprop"} == {rule_color("updated_random_feedback")}
    assert len({(s.color, s.marker) for s in series.values()}) == 3
    of_errors, of_correlations = study_figures(table, 1000)
    ((chart, _),) = of_errors.charts
    assert chart.spec["encoding"]["color"]["scale"]["domain"] == LABELS
    assert {v["r"] for v in chart.spec["data"]["values"]} == {series[label].index for label in LABELS}
    charts = [chart for chart, _ in of_correlations.charts]
    assert [c.title for c in charts] == ["W1 and R1ᵀ", "W2 and R2ᵀ", "W3 and R3ᵀ"]
    assert {v["r"] for v in charts[0].spec["data"]["values"]} == {series[label].index for label in LABELS[:2]}


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (None, "–"),
        (Estimate(mean=-2.187, n=3, sd=0.571), "\N{MINUS SIGN}2.19 ± 0.57"),
        (Estimate(mean=-0.001, n=1), "0.00"),
        (Estimate(mean=0.5, n=1), "0.50"),
    ],
)
def test_a_plain_mean_is_no_percentage(estimate, text):
    assert plain_mean_sd(estimate) == text


def test_a_study_that_no_plugin_can_show_keeps_its_page_and_says_why(make_study):
    """Catches a record that vanishes, or a site that fails, where a plugin is missing or a result is damaged."""
    foreign = make_study(name="foreign")
    foreign = foreign.model_copy(update={"spec": foreign.spec.model_copy(update={"kind": "theirs"})})
    damaged = make_study(name="damaged")
    del damaged.result["trajectories"][0]["squared_error"][-1]
    pages = pages_of([foreign, damaged, make_study()], summarize=summarize_study)
    assert "no kind of study &#39;theirs&#39;" in pages["studies/foreign.html"]
    assert "No table: result: Value error, 4 errors of completed" in pages["studies/damaged.html"]
    assert "<table" not in pages["studies/damaged.html"]
    assert "<table" in pages["studies/a-study.html"]
