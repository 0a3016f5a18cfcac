"""Oracle: what a chart may and may not do to the numbers it is given."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.results import formatting
from benchsuite.results.curves import thin
from benchsuite.results.model import CurvePoint, Estimate
from benchsuite.results.rule_style import rule_color
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.charts.diagnostics import alignment_charts
from benchsuite_leaderboard.charts.learning import learning_curves
from benchsuite_leaderboard.charts.lines import spread
from benchsuite_leaderboard.charts.point_names import _box, _overlap, name_places
from benchsuite_leaderboard.charts.rows import assign_series, end_names, rule_series
from benchsuite_leaderboard.charts.scales import log_ticks
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


def test_a_rule_looks_the_same_in_every_table(make_seeds):
    """Catches colours by a row's place: a rule would change its own with the rules beside it, as with its results."""
    looks = []
    for names in (("backprop", "gait_prop"), ("backprop", "dfa", "fa", "gait_prop", "gevb")):
        (table,) = summarize(r for i, n in enumerate(names) for r in make_seeds(n, [0.1 + i / 10, 0.2 + i / 10]))
        looks.append({s.label: (s.color, tuple(s.dash), s.marker) for s in assign_series(table).values()})
    assert all(looks[1][label] == look for label, look in looks[0].items())
    assert len(set(looks[1].values())) == 5
    assert looks[0]["gait_prop"][0] == rule_color("gait_prop")


def test_rows_of_one_rule_share_its_colour_and_differ_in_grey():
    """Catches two settings of a rule that only their colours, or nothing, tell apart."""
    labels = ["fa", *(f"fa (scale={i})" for i in range(12))]
    series = list(rule_series(dict.fromkeys(labels, "fa")).values())
    assert len({each.color for each in series}) == 1
    assert len({(tuple(each.dash), each.marker) for each in series}) == len(labels)


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({"gait_prop": "gait_prop", "backprop": "backprop"}, ["GAIT", "BP"]),
        ({f"{r}, tuned (16 trials)": r for r in ("gait_prop", "backprop")}, ["GAIT", "BP"]),
        (
            {"backprop": "backprop", "backprop, tuned (16 trials)": "backprop", "gevb": "gevb"},
            ["BP", "BP tuned", "GEVB"],
        ),
        (
            {"backprop": "backprop", "gevb, scale = 1": "gevb", "gevb, scale = 2": "gevb"},
            ["BP", "scale = 1", "scale = 2"],
        ),
        ({"small-step": "gevb", "dfa": "dfa"}, ["small-step", "dfa"]),
    ],
)
def test_a_line_has_a_short_name_that_no_other_has(rules, names):
    assert list(end_names(rules).values()) == names


@given(st.lists(st.floats(0, 300), max_size=20), st.sampled_from([300.0, 240.0]))
def test_names_at_lines_ends_never_overlap_and_stay_on_the_chart(places, height):
    """Catches names on top of each other, or below the axis, where curves end at one value."""
    moved = spread(sorted(min(place, height) for place in places), 12, height)
    assert all(b - a >= 12 - 1e-6 for a, b in pairwise(moved))
    assert all(-1e-6 <= place <= height + 1e-6 for place in moved)
    if len(places) == 1:
        assert moved == [min(places[0], height)]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 300)), min_size=1, max_size=12), st.integers(280, 1400))
def test_names_of_points_cover_neither_points_nor_names_at_any_width(points, width):
    """Catches a name that fits on a desktop and covers its neighbour on a phone."""
    names = [f"rule {i}" for i in range(len(points))]
    places = name_places(names, [x for x, _ in points], [y for _, y in points], 300, 18)
    boxes = [
        _box(name, 18 + x * (width - 36), y, place.side)
        for name, (x, y), place in zip(names, points, places, strict=True)
        if place is not None and width >= place.least_width
    ]
    assert not any(_overlap(a, b) for a, b in combinations(boxes, 2))


@given(st.floats(1e-6, 1e3), st.floats(10, 1e6))
def test_a_logarithmic_axis_has_ticks_at_powers_of_ten(low, ratio):
    """Catches an axis without a tick, or with 20 and 40 between 10 and 100 and none at 100."""
    ticks = log_ticks(low, low * ratio)
    powers = [tick for tick in ticks if math.log10(tick) % 1 in (0.0, 1.0)]
    assert len(powers) >= math.floor(math.log10(ratio)) - 1
    assert all(low <= tick <= low * ratio for tick in ticks)


def test_all_segments_of_a_diagnostic_are_drawn_on_one_scale_with_their_spread(make_record, make_angles):
    """Catches small charts that cannot be compared, and a mean without the seeds it is of."""
    (angle, *_) = make_angles(0, 1)[-1:]
    records = [
        make_record(
            "rule",
            seed,
            0.1,
            diagnostics=[angle.model_copy(update={"segment": s, "value": v + seed}) for s, v in (("a", 5), ("b", 80))],
        )
        for seed in range(2)
    ]
    (table,) = summarize(records)
    (group,) = alignment_charts(table, 1000)
    scales = [chart.spec["layer"][0]["encoding"]["y"]["scale"] for chart in group.charts]
    assert scales[0] == scales[1]
    assert scales[0]["domain"][1] >= 81
    assert [(v["l"], v["h"]) for v in group.charts[1].spec["data"]["values"]] == [(80, 81)]


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
    assert [chart.title for chart in group.shown] == ["s00", group.charts[4].title, group.charts[7].title, "s49"]
    assert len(group.folded) == MAX_SEGMENTS - 4


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
    ("diagnostic", "values", "from_zero"),
    [
        ("update_angle_deg", [0.0, 0.0], True),
        ("update_angle_deg", [8.5e-7, 1.2e-6], True),
        ("update_angle_deg", [89.999, 90.0], True),
        ("equal_sign_fraction", [1.0, 1.0], True),
        ("feedback_correlation", [0.101, 0.102], False),
    ],
)
def test_values_that_do_not_differ_get_an_axis_from_zero(make_record, make_angles, diagnostic, values, from_zero):
    """Rounding alone would get six decimals on the axis and fill the chart."""
    measured = [
        angle.model_copy(update={"segment": "readout", "diagnostic": diagnostic, "value": value})
        for angle, value in zip(make_angles(0, 1)[-2:], values, strict=True)
    ]
    (table,) = summarize([make_record("rule", 0, 0.1, diagnostics=measured)])
    (group,) = alignment_charts(table, 1000)
    low, high = group.charts[0].spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert (low == 0) == from_zero
    assert high - low > 1e-4


@pytest.mark.parametrize(("values", "form"), [([1e-13, 4.5e-13], "~g"), ([0.1, 0.2], None), ([0.0, 0.0], None)])
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


def test_names_at_lines_ends_say_what_tells_rows_apart() -> None:
    """Catches ``DKP tuned`` twice in one chart, and a word that stands at every line and says nothing."""
    labels = {
        "backprop, tuned (16 trials)": "backprop",
        "direct_kolen_pollack, tuned (16 trials)": "direct_kolen_pollack",
        "direct_kolen_pollack, tuned (16 trials, 4 finalists)": "direct_kolen_pollack",
    }
    assert list(end_names(labels).values()) == ["BP", "DKP", "DKP 4 finalists"]
    labels["feedback_alignment"] = "feedback_alignment"
    assert list(end_names(labels).values()) == ["BP tuned", "DKP tuned", "DKP tuned 4 finalists", "FA"]
