"""Oracle: curves, ratios and counts of layers worked out by hand, in float64, and scipy's intervals of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchsuite.papers.claim_cases import Arm, ArmPair, expand_claims
from benchsuite.papers.run_values import deciding_value, measured
from benchsuite.papers.statements import Papers
from benchsuite.papers.verdict_words import gap_words, limit_words, metric_words, side_words
from benchsuite.records.model import DiagnosticValue, SetMetrics
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.claim import Comparison
from benchsuite_leaderboard.site import build_site

from .made_claims import Claims

SIDES = {"tracks": ["digits-fc"], "left": {"rule": "dfa"}, "right": {"rule": "backprop"}}
WHOLE = ArmPair(Arm("digits-fc", "dfa", None), None, None)


@pytest.fixture(scope="module")
def claims(make_record: Any) -> Claims:
    return Claims(make_record)


def comparison(metric: str = "test_error", **fields: Any) -> Comparison:
    return Comparison.model_validate({"metric": metric, "direction": "lower", "test": "paired"} | SIDES | fields)


def test_an_error_after_an_epoch_is_that_epochs(make_record: Any) -> None:
    """Catches a speed of learning that is judged at the end of training."""
    record = make_record("dfa", curve=[0.5, 0.25, 0.125])
    assert [measured(record, comparison(epoch=epoch), WHOLE) for epoch in (1, 2, "last")] == [0.5, 0.25, 0.125]
    assert measured(record, comparison("train_error", epoch=2), WHOLE) == 0.125
    assert measured(record, comparison("test_accuracy", epoch=2), WHOLE) == 0.75
    assert measured(record, comparison(epoch=3, since=1), WHOLE) == -0.375
    assert measured(record, comparison(since=2), WHOLE) == -0.125


def test_a_run_that_ended_before_the_epoch_has_no_error_there(make_record: Any) -> None:
    """Catches a curve that is padded with its last value after early stopping."""
    record = make_record("dfa", curve=[0.5, 0.25])
    assert measured(record, comparison(epoch=3), WHOLE) is None
    assert measured(record, comparison(since=2), WHOLE) is None
    assert measured(make_record("dfa", curve=[0.5, 0.25], status="diverged"), comparison(epoch=1), WHOLE) is None


def test_every_set_and_kind_of_error_is_its_own(make_record: Any) -> None:
    """Catches a held-out error that is the test error, and a top-1 error that passes for a top-5 error."""
    record = make_record("dfa", curve=[0.5, 0.25], top5_error=0.0625, classes=100)
    held_out = SetMetrics(loss=1.0, error=0.375, examples=10)
    epochs = tuple(each.model_copy(update={"validation": held_out}) for each in record.epochs)
    record = record.model_copy(update={"epochs": epochs})
    expected = {
        "test_error": 0.25,
        "train_error": 0.125,
        "validation_error": 0.375,
        "test_top5_error": 0.0625,
        "train_top5_error": None,
        "validation_accuracy": 0.625,
    }
    assert {name: measured(record, comparison(name), WHOLE) for name in expected} == expected
    few = make_record("dfa", top5_error=0.0625, classes=10)
    assert measured(few, comparison("test_top5_error"), WHOLE) is None


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=9), st.floats(-100, 100), st.sampled_from(["lower", "higher"])
)
def test_most_layers_are_beyond_a_limit_exactly_if_the_deciding_one_is(
    values: list[float], limit: float, direction: Any
) -> None:
    """Catches half of the layers taken for most, and the mean of the layers in place of a count."""
    beyond = [value < limit if direction == "lower" else value > limit for value in values]
    found = deciding_value(values, direction)
    assert (found < limit if direction == "lower" else found > limit) == (sum(beyond) > len(values) / 2)


def angles(*values: float | None) -> list[DiagnosticValue]:
    return [
        DiagnosticValue(diagnostic="credit_angle_deg", segment=name, epoch=1, value=value)
        for name, value in zip("abcd", values, strict=False)
    ]


def most(claims: Claims, direction: str) -> Any:
    return claims.case(
        metric="credit_angle_deg",
        segments=["a", "b", "c", "d"],
        layers="most",
        most_of=tuple("abcd"),
        right=None,
        value=80,
        direction=direction,
        test="one_sample",
    )


def test_most_layers_are_counted_seed_by_seed(claims: Claims, make_record: Any) -> None:
    """Three of four layers are above 80 degrees in each seed, though another three each time."""
    layers = [(85.0, 88.0, 89.0, 10.0), (10.0, 86.0, 85.0, 89.0), (87.0, 10.0, 88.0, 89.0)]
    records = [make_record("dfa", seed, diagnostics=angles(*values)) for seed, values in enumerate(layers)]
    verdict = claims.judge(records, most(claims, "higher"))
    (case,) = verdict.deciding
    third = [sorted(values)[1] for values in layers]
    expected = stats.ttest_1samp(third, 80).confidence_interval(0.95)
    assert (case.gap.low + 80, case.gap.high + 80) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert (verdict.verdict, case.question) == ("reproduced", "dfa, most of 4 layers above 80")
    assert case.left.label == "dfa, most of 4 layers"
    assert claims.judge(records, most(claims, "lower")).verdict == "contradicted"


def test_two_of_four_layers_are_not_most(claims: Claims, make_record: Any) -> None:
    layers = angles(89.0, 88.0, 10.0, 11.0)
    records = [make_record("dfa", seed, diagnostics=layers) for seed in range(3)]
    assert claims.judge(records, most(claims, "higher")).verdict == "contradicted"
    assert claims.judge(records, most(claims, "lower")).verdict == "contradicted"


def test_a_layer_that_was_not_measured_is_not_left_out(claims: Claims, make_record: Any) -> None:
    """Catches a majority among the layers that happened to have an angle."""
    records = [make_record("dfa", seed, diagnostics=angles(85.0, 88.0, 89.0, None)) for seed in range(3)]
    verdict = claims.judge(records, most(claims, "higher"))
    assert verdict.verdict == "not_enough_records"
    assert verdict.cases[0].reason == "of 3 seeds of dfa on digits-fc: 3 not measured"


RATIO = {
    "metric": "test_accuracy",
    "over": "backprop",
    "right": None,
    "value": 0.25,
    "direction": "equal",
    "margin": 0.1,
    "test": "one_sample",
}


def test_a_ratio_is_of_the_same_seeds(claims: Claims, make_seeds: Any) -> None:
    own, other = [0.86, 0.85, 0.87], [0.40, 0.45, 0.42]
    records = [*make_seeds("dfa", own), *make_seeds("backprop", other)]
    (case,) = claims.judge(records, claims.case(**RATIO)).deciding
    ratios = [(1 - a) / (1 - b) for a, b in zip(own, other, strict=True)]
    expected = stats.ttest_1samp(ratios, 0.25).confidence_interval(0.95)
    assert (case.gap.low, case.gap.high) == pytest.approx((expected.low - 0.25, expected.high - 0.25), rel=1e-9)
    assert case.left.estimate.mean == pytest.approx(math.fsum(ratios) / 3, rel=1e-12)
    assert case.verdict == "reproduced"
    assert case.question == "dfa over backprop equal to 0.25"
    assert set(case.left.run_ids) == {record.run_id for record in records}
    assert metric_words(case.comparison) == "test accuracy (ratio)"
    assert side_words(case, case.left) == "0.24 ± 0.03 (n = 3)"
    assert limit_words(case.comparison) == "within ±0.1"
    assert "points" not in gap_words(case)


def test_nothing_is_divided_by_zero(claims: Claims, make_seeds: Any) -> None:
    """Catches a seed without a ratio that is left out of the mean."""
    records = [*make_seeds("dfa", [0.1] * 4), *make_seeds("backprop", [0.05, 0.1, 0.2, 0.0])]
    (case,) = claims.judge(records, claims.case(**RATIO | {"metric": "test_error"})).cases
    assert case.verdict == "not_enough_records"
    assert case.reason == "of 4 seeds of backprop on digits-fc: 1 zero, so there is no ratio"


def test_a_run_that_ended_before_the_epoch_is_not_asked_for_again(claims: Claims, make_record: Any) -> None:
    """Catches a command that makes no run: the finished one is found, and ended where it would end again."""
    records = [make_record(rule, seed, curve=[0.5, 0.25]) for rule in ("dfa", "backprop") for seed in range(3)]
    undecided = claims.judge(records, claims.case(epoch=3))
    assert (undecided.verdict, undecided.missing) == ("not_enough_records", None)
    assert claims.judge(records[:4], claims.case(epoch=2)).missing is not None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "test error (%)"),
        ({"metric": "train_top5_error"}, "train top-5 error (%)"),
        ({"epoch": 1}, "test error (%), after 1 epoch"),
        ({"epoch": 10, "since": 1}, "test error (%), after 10 epochs less after 1 epoch"),
        ({"metric": "credit_angle_deg", "epoch": 0}, "credit angle (°), before training"),
    ],
)
def test_the_metric_says_when_it_was_measured(fields: dict[str, Any], words: str) -> None:
    assert metric_words(comparison(**fields)) == words


def test_the_site_judges_an_epoch_as_the_library_does(claims: Claims, make_seeds: Any, tmp_path: Any) -> None:
    """Catches a site that keeps only the last epoch of the runs that decide claims."""
    records = [*make_seeds("dfa", [0.4, 0.41, 0.42]), *make_seeds("backprop", [0.05, 0.06, 0.08])]
    expanded = claims.expanded(claims.case(epoch=1, direction="higher"))
    build_site(records, tmp_path / "site", papers=Papers(claims=[expanded]))
    page = (tmp_path / "site" / "claims.html").read_text()
    assert "test error (%), after 1 epoch" in page
    assert "of 3 seeds" not in page
    assert "reproduced" in page


def test_most_layers_are_one_case(registry: Registry, tmp_path: Any) -> None:
    """Catches a claim about most layers that is expanded into one about each."""
    folder = tmp_path / "claims"
    folder.mkdir()
    text = "source: a paper\nstatement: so it is\ncomparisons:\n- {tracks: [digits-fc], metric: credit_angle_deg, "
    text += "segments: [dense1, dense2], layers: most, left: {rule: backprop}, value: 1, direction: lower, "
    (folder / "mine.yaml").write_text(text + "test: one_sample}\n")
    expanded = expand_claims(SpecLibrary([tmp_path, builtin_folder()]), registry, lambda *_: False)
    (mine,) = [each for each in expanded if each.claim.name == "mine"]
    pairs = [case.left for case in mine.cases if case.left]
    assert [(pair.segment, pair.most_of) for pair in pairs] == [(None, ("dense1", "dense2"))] * 2
