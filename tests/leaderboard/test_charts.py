"""Oracle: what a chart may and may not do to the numbers it is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.results import formatting
from benchsuite.results.curves import thin
from benchsuite.results.model import CurvePoint, Estimate
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.charts.diagnostics import alignment_charts
from benchsuite_leaderboard.charts.learning import learning_curves
from benchsuite_leaderboard.charts.rows import assign_series
from benchsuite_leaderboard.charts.vega import MAX_SEGMENTS


@given(st.integers(0, 400), st.integers(2, 60))
def test_thinning_keeps_the_first_and_the_last_point_and_invents_none(length, most):
    points = [CurvePoint(e, e / 7, 0, 1) for e in range(length)]
    kept = thin(points, most)
    assert len(kept) == min(length, most)
    assert set(kept) <= set(points)
    assert len(set(kept)) == len(kept)
    if length:
        assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_a_rule_keeps_its_colour_when_results_change(make_seeds):
    names = ("backprop", "dfa", "fa", "gevb")
    colours = []
    for errors in ([0.1, 0.2], [0.4, 0.3]):
        (table,) = summarize(
            r for i, n in enumerate(names) for r in make_seeds(n, [e + i * errors[0] / 4 for e in errors])
        )
        colours.append({s.label: s.color for s in assign_series(table).values()})
    assert colours[0] == colours[1]
    assert colours[0]["backprop"] == "currentColor"
    assert len(set(colours[0].values())) == len(names)


def test_a_table_without_measurements_has_no_chart(make_record):
    (table,) = summarize([make_record("rule", 0, status="crashed", reason="x", curve=[])])
    assert learning_curves(table, 1000) is None
    assert alignment_charts(table, 1000) == []


def test_a_deep_network_shows_evenly_spaced_segments_and_says_of_how_many(make_record, make_angles):
    (angle, *_) = make_angles(0, 1)[-1:]
    deep = [angle.model_copy(update={"segment": f"s{i:02}"}) for i in range(50)]
    (table,) = summarize([make_record("rule", 0, 0.1, diagnostics=deep)])
    (group,) = alignment_charts(table, 1000)
    assert (len(group.charts), group.segments) == (MAX_SEGMENTS, 50)
    assert (group.charts[0].title, group.charts[-1].title) == ("s00", "s49")


def test_errors_that_span_a_decade_get_a_logarithmic_axis_unless_one_is_zero(make_record):
    def scale(curve):
        (table,) = summarize([make_record("rule", 0, curve=curve)])
        return learning_curves(table, 1000).spec["layer"][0]["encoding"]["y"]["scale"]["type"]

    assert scale([0.9, 0.2, 0.02]) == "log"
    assert scale([0.9, 0.2, 0.0]) == "linear"
    assert scale([0.3, 0.2, 0.1]) == "linear"


@pytest.mark.parametrize(
    ("diagnostic", "heading", "axis"),
    [
        ("credit_angle_deg", "credit angle (°)", "angle (°)"),
        ("pre_activation_credit_angle_deg", "pre-activation credit angle (°)", "angle (°)"),
        ("one_step_credit_angle_deg", "one-step credit angle (°)", "angle (°)"),
        ("feedback_correlation", "feedback correlation", "correlation"),
        ("equal_sign_fraction", "equal sign fraction", "fraction"),
        ("mirror_time_ms", "mirror time (ms)", "time (ms)"),
        ("drift", "drift", "drift"),
    ],
)
def test_a_heading_has_the_whole_name_and_an_axis_what_fits_with_the_unit(diagnostic, heading, axis):
    assert formatting.quantity(diagnostic) == heading
    assert formatting.axis_title(diagnostic) == axis


@pytest.mark.parametrize(
    ("diagnostic", "values", "scale"),
    [
        ("update_angle_deg", [0.0, 0.0], {"domain": [0, 1]}),
        ("update_angle_deg", [8.5e-7, 1.2e-6], {"domain": [0, 1]}),
        ("update_angle_deg", [89.999, 90.0], {"zero": True}),
        ("update_angle_deg", [89.9, 90.0], {"zero": False}),
        ("equal_sign_fraction", [1.0, 1.0], {"zero": True}),
        ("feedback_correlation", [0.001, 0.002], {"zero": False}),
    ],
)
def test_values_that_do_not_differ_get_an_axis_from_zero(make_record, make_angles, diagnostic, values, scale):
    """Rounding alone would get six decimals on the axis and fill the chart."""
    measured = [
        angle.model_copy(update={"segment": "readout", "diagnostic": diagnostic, "value": value})
        for angle, value in zip(make_angles(0, 1)[-2:], values, strict=True)
    ]
    (table,) = summarize([make_record("rule", 0, 0.1, diagnostics=measured)])
    (group,) = alignment_charts(table, 1000)
    assert group.charts[0].spec["layer"][0]["encoding"]["y"]["scale"] == {"type": "linear", **scale}


@pytest.mark.parametrize(("values", "form"), [([1e-13, 4.5e-13], "~g"), ([0.1, 4.5e-13], None), ([0.0, 0.0], None)])
def test_ticks_of_very_small_values_are_powers_of_ten(make_record, make_angles, values, form):
    """Catches 0.00000000000045 beside a chart, which pushes the chart out of its frame."""
    measured = [
        angle.model_copy(update={"segment": "readout", "diagnostic": "relative_target_distance", "value": value})
        for angle, value in zip(make_angles(0, 1)[-2:], values, strict=True)
    ]
    (table,) = summarize([make_record("rule", 0, 0.1, diagnostics=measured)])
    (group,) = alignment_charts(table, 1000)
    assert group.charts[0].spec["layer"][0]["encoding"]["y"]["axis"].get("format") == form


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.percent(0.02315), "2.31"),
        (formatting.percent(None), "–"),
        (formatting.points(-0.0151), "−1.51"),
        (formatting.points(0.0), "0.00"),
        (formatting.points(-0.000001), "0.00"),
        (formatting.points(0.1), "+10.00"),
        (formatting.mean_sd(Estimate(0.1, 1)), "10.00"),
        (formatting.mean_sd(Estimate(0.1, 3, 0.01, 0.08, 0.12)), "10.00 ± 1.00"),
        (formatting.interval(Estimate(0.1, 3, 0.01, -0.08, 0.12), signed=True), "−8.00 to +12.00"),
        (formatting.number(14370.0), "14,400"),
        (formatting.number(0.01234), "0.0123"),
        (formatting.shown("a\x00b\u202ec"), "a\ufffdb\ufffdc"),
    ],
)
def test_numbers_read_as_a_person_expects(shown, expected):
    assert shown == expected


def test_a_text_longer_than_a_page_can_use_is_cut_and_says_so():
    assert formatting.shown("x" * 5000).endswith("(1000 more characters in the record)")
