"""Oracle: means and differences worked out by hand; a published value of any metric belongs to its own conditions."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.papers.measured_values import MeasuredValue, compare_with_published
from benchsuite.papers.published import PublishedNumber, published_numbers
from benchsuite.papers.statements import Papers
from benchsuite.papers.value_words import difference_words, measured_words, published_words, value_metric_words
from benchsuite.records.model import DiagnosticValue
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.reference import PublishedValue, ReferenceSpec

from ..built_site import pages_of
from .made_claims import Claims


def number(spec: Any, metric: str, value: float, **fields: Any) -> PublishedNumber:
    rule = spec.rule.name if spec else "dfa"
    entry = PublishedValue.model_validate(
        {"track": "digits-fc", "rule": rule, "metric": metric, "value": value, **fields}
    )
    return PublishedNumber(spec, entry, ReferenceSpec(name="a", source="Somebody 1999", runs=5, entries=(entry,)))


def compared(records: list[Any], metric: str, value: float, **fields: Any) -> MeasuredValue:
    (found,) = compare_with_published([number(records[0].spec, metric, value, **fields)], records)
    return found


def with_angles(make_record: Any, *values: tuple[str, int, float | None]) -> list[Any]:
    angles = [DiagnosticValue(diagnostic="credit_angle_deg", segment=s, epoch=e, value=v) for s, e, v in values]
    return [make_record("dfa", seed, diagnostics=angles) for seed in range(3)]


@pytest.mark.parametrize(
    ("metric", "epoch", "expected"),
    # The factories' train error is half the test error, and their curve falls to it: 0.6, 0.35, 0.10.
    [
        ("test_error_percent", "last", 11.0),
        ("train_error_percent", "last", 5.5),
        ("test_error_percent", 1, 61.0),
        ("train_error_percent", 2, 18.0),
    ],
)
def test_errors_are_compared_in_per_cent_at_their_epoch(
    make_seeds: Any, metric: str, epoch: Any, expected: float
) -> None:
    """Catches train errors that are test errors, an early epoch's that is the last one's, and fractions as per cent."""
    found = compared(make_seeds("dfa", [0.10, 0.12]), metric, 9.5, epoch=epoch)
    assert found.measured is not None
    assert found.measured.mean == pytest.approx(expected)
    assert found.difference == pytest.approx(expected - 9.5)
    assert measured_words(found).endswith("(n = 2)")


def test_an_angle_is_compared_at_its_segment_and_epoch(make_record: Any) -> None:
    """Catches an angle of another layer; 'last' is the last that is a number."""
    records = with_angles(make_record, ("a", 0, 88.0), ("a", 2, 70.0), ("a", 3, None), ("b", 3, 5.0))
    last = compared(records, "credit_angle_deg", 71.5, segment="a")
    first = compared(records, "credit_angle_deg", 88.25, segment="a", epoch=0)
    assert (last.difference, first.difference) == (-1.5, -0.25)
    assert (measured_words(last), difference_words(last)) == ("70.00 ± 0.00 (n = 3)", "−1.50")
    assert value_metric_words(first.value) == "credit angle (°), a, before training"
    assert compared(records, "credit_angle_deg", 1, segment="c").remark == "not measured"


def test_a_failed_seed_is_never_left_out_of_the_mean(make_record: Any, make_seeds: Any) -> None:
    records = [*make_seeds("dfa", [0.1, 0.1]), make_record("dfa", 2, status="diverged", reason="x")]
    found = compared(records, "train_error_percent", 5)
    assert (found.measured, found.difference) == (None, None)
    assert found.remark == "of 3 seeds: 1 diverged"
    assert len(found.run_ids) == 3


def test_runs_under_other_conditions_count_for_nothing(make_seeds: Any) -> None:
    """Catches twenty epochs compared with the paper's two hundred."""
    others = make_seeds("dfa", [0.1, 0.1], protocol={"epochs": 2})
    spec = make_seeds("dfa", [0.1])[0].spec
    (found,) = compare_with_published([number(spec, "train_error_percent", 5)], others)
    assert (found.measured, found.run_ids) == (None, ())


def test_a_bound_has_no_difference_and_its_sign(make_seeds: Any) -> None:
    found = compared(make_seeds("dfa", [0.1, 0.1]), "train_error_percent", 0.005, relation="at_most")
    assert (found.difference, published_words(found.value)) == (None, "≤ 0.005")


def test_a_value_without_runs_has_the_command_that_measures_it() -> None:
    """Catches a table that says nothing about what was never run."""
    found, unnamed = compare_with_published(
        [number(None, "test_error_percent", 9), number(None, "test_error_percent", 9, track=None, setting="elsewhere")],
        [],
    )
    assert found.command == "benchsuite run digits-fc --tier paper --rules dfa --seeds 5"
    assert unnamed.command == ""


def test_every_published_value_is_compared_once(library: SpecLibrary, registry: Registry) -> None:
    """Catches a metric that is left out: only final test errors were shown once."""
    cells = {("mnist-fc-vectorized-nonnegative", "paper")}
    found = list(published_numbers(library, registry, lambda track, tier: (track, tier) in cells))
    resolved = {each.value.metric for each in found if each.spec}
    assert resolved == {"test_error_percent", "train_error_percent", "credit_angle_deg"}
    assert {each.spec.track for each in found if each.spec} == {"mnist-fc-vectorized-nonnegative"}
    assert len(found) > 400


def test_the_page_has_angles_and_train_errors_beside_the_published_ones(make_record: Any) -> None:
    records = with_angles(make_record, ("dense1", 2, 70.0))
    spec = records[0].spec
    values = [
        number(spec, "credit_angle_deg", 71.5, segment="dense1", note="<script>alert(1)</script>"),
        number(spec, "train_error_percent", 4.5),
    ]
    claim = Claims(make_record).expanded()
    page = pages_of(records, papers=Papers(values, [claim]))["claims.html"]
    for part in ("71.5", "70.00 ± 0.00 (n = 3)", "−1.50", "train error (%)", "5.00 ± 0.00", "+0.50", "Somebody 1999"):
        assert part in page
    assert "<script>alert" not in page
