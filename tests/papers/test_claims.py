"""Oracle: scipy's intervals, verdicts worked out by hand, and Python's HTML parser for the page."""

from __future__ import annotations

import math
import random
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchsuite.papers.claim_cases import Arm, ArmPair, Case, ClaimCases
from benchsuite.papers.statements import Papers
from benchsuite.papers.verdicts import conjunction, decide
from benchsuite.records.model import DiagnosticValue
from benchsuite.results.statistics import welch_difference
from benchsuite.specs.models.claim import ClaimSpec
from benchsuite_leaderboard.site import build_site

from .made_claims import Claims

SAMPLES = st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=3, max_size=8)
DFA, BP = [0.10, 0.11, 0.12], [0.05, 0.065, 0.08]


@given(SAMPLES, SAMPLES)
def test_welchs_interval_is_scipys(values: list[float], others: list[float]) -> None:
    found = welch_difference(values, others)
    assert found is not None
    if len(set(values)) == len(set(others)) == 1:
        assert found.low == found.mean == found.high
        return
    expected = stats.ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    scale = max(map(abs, [*values, *others]))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-7, abs=1e-7 * scale)


def test_one_value_has_no_interval() -> None:
    assert welch_difference([1.0], [1.0, 2.0]) is None
    assert welch_difference([], [1.0, 2.0]) is None


@pytest.fixture(scope="module")
def claims(make_record: Any) -> Claims:
    return Claims(make_record)


@pytest.fixture(scope="module")
def records(make_seeds: Any) -> list[Any]:
    return [*make_seeds("dfa", DFA), *make_seeds("backprop", BP)]


def test_a_paired_claim_is_decided_by_scipys_interval(claims: Claims, records: list[Any]) -> None:
    expected = stats.ttest_rel(DFA, BP).confidence_interval(0.95)
    verdict = claims.judge(records, claims.case(direction="higher"))
    (case,) = verdict.deciding
    assert (case.gap.low, case.gap.high) == pytest.approx((expected.low, expected.high))
    assert (verdict.verdict, verdict.tier) == ("reproduced", "quick")
    assert (case.left.estimate.mean, case.right.estimate.n) == (pytest.approx(0.11), 3)
    assert set(case.left.run_ids) == {r.run_id for r in records if r.spec.rule.name == "dfa"}
    assert claims.judge(records, claims.case(direction="lower")).verdict == "contradicted"


def test_a_welch_claim_is_decided_by_scipys_interval(claims: Claims, records: list[Any]) -> None:
    """Paired, these seeds are told apart; independent, they are not quite: the test must be the one that is named."""
    expected = stats.ttest_ind(DFA, BP, equal_var=False).confidence_interval(0.95)
    (case,) = claims.judge(records, claims.case(direction="higher", test="welch")).deciding
    assert (case.gap.low, case.gap.high) == pytest.approx((expected.low, expected.high))


def test_a_fixed_value_is_compared_by_scipys_interval(claims: Claims, records: list[Any]) -> None:
    expected = stats.ttest_1samp(DFA, 0.2).confidence_interval(0.95)
    (case,) = claims.judge(records, claims.case(right=None, value=0.2, test="one_sample")).deciding
    assert (case.gap.low + 0.2, case.gap.high + 0.2) == pytest.approx((expected.low, expected.high))
    assert case.verdict == "reproduced"


def test_a_gap_of_gaps_takes_the_other_rule_off_seed_by_seed(claims: Claims, make_seeds: Any) -> None:
    records = [*make_seeds("dfa", DFA), *make_seeds("fa", [0.3, 0.2, 0.4]), *make_seeds("backprop", BP)]
    case = claims.case(left="fa", right="dfa", minus="backprop", direction="higher", test="welch")
    (case,) = claims.judge(records, case).deciding
    gaps = [[a - b for a, b in zip(x, BP, strict=True)] for x in ([0.3, 0.2, 0.4], DFA)]
    expected = stats.ttest_ind(*gaps, equal_var=False).confidence_interval(0.95)
    assert (case.gap.low, case.gap.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("kept", [0, 1, 2])
@pytest.mark.parametrize("test", ["paired", "welch"])
def test_fewer_than_three_seeds_a_side_decide_nothing(claims: Claims, make_seeds: Any, kept: int, test: str) -> None:
    records = [*make_seeds("dfa", DFA[:kept]), *make_seeds("backprop", [0.5, 0.51, 0.52, 0.53])]
    verdict = claims.judge(records, claims.case(test=test))
    assert (verdict.verdict, verdict.tier) == ("not_enough_records", None)
    assert verdict.cases[0].reason


def test_three_seeds_that_are_not_the_same_are_no_pairs(claims: Claims, make_record: Any) -> None:
    records = [make_record("dfa", s, 0.1 + s / 1e3) for s in (0, 1, 2)]
    records += [make_record("backprop", s, 0.5 + s / 1e3) for s in (1, 2, 3)]
    assert "2 seeds that both sides have" in claims.judge(records, claims.case()).cases[0].reason
    assert claims.judge(records, claims.case(test="welch")).verdict == "reproduced"


@pytest.mark.parametrize("status", ["diverged", "crashed", "interrupted"])
def test_a_failed_seed_is_never_left_out_of_a_mean(
    claims: Claims, make_record: Any, make_seeds: Any, status: Any
) -> None:
    """Three seeds that went well out of four are a mean over those that happened to."""
    records = [*make_seeds("dfa", DFA), make_record("dfa", 3, 0.9, status=status), *make_seeds("backprop", [0.5] * 4)]
    verdict = claims.judge(records, claims.case(test="welch"))
    assert verdict.verdict == "not_enough_records"
    assert f"1 {status}" in verdict.cases[0].reason


@pytest.mark.parametrize(
    ("direction", "low", "high", "verdict"),
    [
        ("lower", -0.3, -0.1000001, "reproduced"),
        ("lower", -0.3, -0.1, "inconclusive"),
        ("lower", -0.1, 0.3, "contradicted"),
        ("higher", 0.1000001, 0.3, "reproduced"),
        ("higher", 0.1, 0.3, "inconclusive"),
        ("higher", -0.3, 0.1, "contradicted"),
        ("equal", -0.1, 0.1, "reproduced"),
        ("equal", -0.1, 0.1000001, "inconclusive"),
        ("equal", -0.1000001, 0.1, "inconclusive"),
        ("equal", 0.11, 0.2, "contradicted"),
        ("equal", -0.2, -0.11, "contradicted"),
        ("equal", -0.2, 0.2, "inconclusive"),
        ("not_higher", -9, 0.1, "reproduced"),
        ("not_higher", -9, 0.1000001, "inconclusive"),
        ("not_higher", 0.1000001, 0.2, "contradicted"),
    ],
)
def test_on_the_edge_of_a_margin(claims: Claims, direction: str, low: float, high: float, verdict: str) -> None:
    assert decide(claims.case(direction=direction, margin=0.1).comparison, low, high)[0] == verdict


def test_what_was_not_shown_is_told_from_what_was_refuted(claims: Claims) -> None:
    comparison = claims.case(direction="lower").comparison
    assert decide(comparison, -0.1, 0.1)[1] == "the interval is on both sides of the limit"
    assert decide(comparison, 0.1, 0.2)[1] == "the whole interval is on the wrong side of the limit"


def test_a_claim_holds_if_each_of_its_comparisons_does() -> None:
    assert conjunction(["reproduced", "reproduced"]) == "reproduced"
    assert conjunction(["reproduced", "not_enough_records"]) == "not_enough_records"
    assert conjunction(["reproduced", "not_enough_records", "contradicted"]) == "contradicted"
    assert conjunction(["reproduced", "inconclusive"]) == "inconclusive"
    assert conjunction(["inconclusive", "not_enough_records"]) == "not_enough_records"
    assert conjunction([]) == "not_enough_records"


def test_the_first_tier_with_enough_records_decides(claims: Claims, records: list[Any], make_seeds: Any) -> None:
    cases = [claims.case(tier="paper", direction="higher"), claims.case(tier="quick", direction="higher")]
    assert claims.judge(records, *cases).tier == "quick"
    paper = [*make_seeds("dfa", BP, tier="paper"), *make_seeds("backprop", DFA, tier="paper")]
    verdict = claims.judge([*records, *paper], *cases)
    assert (verdict.tier, verdict.verdict) == ("paper", "contradicted")


def test_runs_under_other_conditions_count_for_nothing(claims: Claims, records: list[Any], make_seeds: Any) -> None:
    """Catches a verdict by runs of another learning rate, network or setting of the rule."""
    others = [
        *make_seeds("dfa", [0.9, 0.9, 0.9], config={"range": 2}),
        *make_seeds("dfa", [0.9, 0.9, 0.9], protocol={"epochs": 2}),
        *make_seeds("dfa", [0.9, 0.9, 0.9], architecture={"layers": []}),
    ]
    case = claims.case(direction="higher")
    assert claims.judge([*others, *records], case) == claims.judge(records, case)
    assert claims.judge([*others, *make_seeds("backprop", BP)], case).verdict == "not_enough_records"


def test_data_of_two_fingerprints_is_not_mixed(claims: Claims, make_seeds: Any) -> None:
    records = [*make_seeds("dfa", [0.1] * 3, fingerprint="aa"), *make_seeds("backprop", [0.5] * 3, fingerprint="bb")]
    assert claims.judge(records, claims.case()).verdict == "not_enough_records"


def test_one_hardware_class_comes_before_several(claims: Claims, records: list[Any], make_record: Any) -> None:
    more = [make_record(rule, 3, 0.5, hardware_class="another") for rule in ("dfa", "backprop")]
    (case,) = claims.judge([*records, *more], claims.case(direction="higher")).deciding
    assert case.left.estimate.n == 3
    assert "there are others" in case.notes[0]


def test_errors_pool_over_machines_with_a_note_and_times_never(claims: Claims, make_record: Any) -> None:
    records = [make_record("dfa", s, 0.1, hardware_class=f"machine {s}") for s in range(3)]
    records += [make_record("backprop", s, 0.5, hardware_class=f"machine {s}") for s in range(3)]
    (case,) = claims.judge(records, claims.case()).deciding
    assert (case.verdict, case.notes) == ("reproduced", ("pooled over hardware classes",))
    cost = claims.case(metric="cost_per_step", test="welch")
    assert claims.judge(records, cost).verdict == "not_enough_records"


def test_costs_are_ratios(claims: Claims, make_record: Any) -> None:
    times = {"dfa": (3.0, 3.1, 2.9), "backprop": (2.0, 2.1, 1.9)}
    records = [make_record(r, s, step_time_ms=t) for r, own in times.items() for s, t in enumerate(own)]
    case = claims.case(metric="cost_per_step", direction="higher", margin=0.3, test="welch")
    (found,) = claims.judge(records, case).deciding
    logs = [[math.log(t) for t in own] for own in times.values()]
    expected = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert (found.gap.low, found.gap.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert found.verdict == "reproduced"
    assert found.left.estimate.mean == pytest.approx(3.0)
    tight = claims.case(metric="cost_per_step", direction="higher", margin=0.5, test="welch")
    assert claims.judge(records, tight).verdict == "inconclusive"


@pytest.mark.parametrize(("epoch", "expected"), [(0, 88.0), (2, 70.0), ("last", 70.0)])
def test_a_diagnostic_is_read_at_its_segment_and_epoch(
    claims: Claims, make_record: Any, epoch: Any, expected: float
) -> None:
    """'last' is the last that is a number: an angle is undefined once a network fits the batch."""
    values = [("a", 0, 88.0), ("a", 2, 70.0), ("a", 3, None), ("b", 3, 5.0)]
    angles = [DiagnosticValue(diagnostic="credit_angle_deg", segment=s, epoch=e, value=v) for s, e, v in values]
    records = [make_record("dfa", s, diagnostics=angles) for s in range(3)]
    fields = {"metric": "credit_angle_deg", "segments": ["a"], "segment": "a", "epoch": epoch, "test": "one_sample"}
    case = claims.case(right=None, value=80, **fields)
    (found,) = claims.judge(records, case).cases
    assert found.left.estimate.mean == expected
    assert found.verdict == ("reproduced" if expected < 80 else "contradicted")


@pytest.mark.parametrize(("epoch", "expected"), [(2, -18.0), ("last", -18.0), (3, None)])
def test_a_change_is_the_difference_from_an_earlier_epoch(
    claims: Claims, make_record: Any, epoch: Any, expected: float | None
) -> None:
    """Catches a value judged where its change is claimed, and a change of zero read off the start alone."""
    values = [("a", 0, 88.0), ("a", 2, 70.0), ("a", 3, None), ("b", 0, 5.0)]
    angles = [DiagnosticValue(diagnostic="credit_angle_deg", segment=s, epoch=e, value=v) for s, e, v in values]
    records = [make_record("dfa", s, diagnostics=angles) for s in range(3)]
    fields = {"metric": "credit_angle_deg", "right": None, "value": 0, "test": "one_sample", "since": 0}
    (found,) = claims.judge(records, claims.case(segments=["a"], segment="a", epoch=epoch, **fields)).cases
    assert (found.left.estimate and found.left.estimate.mean) == expected
    (of_the_start_alone,) = claims.judge(records, claims.case(segments=["b"], segment="b", **fields)).cases
    assert of_the_start_alone.left.estimate is None


def test_train_error_is_the_train_error(claims: Claims, records: list[Any]) -> None:
    (case,) = claims.judge(records, claims.case(metric="train_error", direction="higher")).deciding
    assert case.left.estimate.mean == pytest.approx(0.055)


def test_a_verdict_does_not_depend_on_the_order_of_records(
    claims: Claims, records: list[Any], make_record: Any
) -> None:
    again = [make_record("dfa", 0, 0.2, ended_after_s=90), make_record("dfa", 1, 0.3, hardware_class="b")]
    mixed = [*records, *records, *again, make_record("backprop", 1, 0.2, fingerprint="aa")]
    cases = [claims.case(direction="higher"), claims.case(test="welch")]
    first = claims.judge(mixed, *cases)
    assert first.cases[0].left.estimate.mean == pytest.approx((0.2 + 0.11 + 0.12) / 3)
    for seed in range(10):
        random.Random(seed).shuffle(mixed)  # noqa: S311 - an order, no secret
        assert claims.judge(mixed, *cases) == first


def test_what_has_no_track_or_no_rule_says_so(claims: Claims, records: list[Any]) -> None:
    later = claims.case().comparison.model_copy(update={"tracks": (), "setting": "ImageNet"})
    assert "no track" in claims.judge(records, Case(later, "quick", None, None)).cases[0].reason
    gone = Arm("digits-fc", "gone", None, "the rule gone is not installed")
    case = claims.case()
    assert case.left is not None
    missing = Case(case.comparison, "quick", ArmPair(gone, None, None), case.left)
    assert claims.judge(records, missing).cases[0].reason == "the rule gone is not installed"


# --- the page ---

HOSTILE = "</h3><script>window.broken=1</script><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"


class Page(HTMLParser):
    """Elements, links and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")]
        self.links += [found["href"]] if tag == "a" else []
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_verdicts_numbers_and_links_that_lead_to_rows(
    claims: Claims, records: list[Any], tmp_path: Any
) -> None:
    case = claims.case(direction="higher")
    claim = ClaimSpec.model_validate(
        {
            "name": "a-claim",
            "title": "DFA is behind",
            "source": "A paper, Fig. 1",
            "statement": "So it is.",
            "comparisons": [case.comparison],
        }
    )
    build_site(records, tmp_path / "site", papers=Papers(claims=[ClaimCases(claim, (case,))]))
    page = Page((tmp_path / "site" / "claims.html").read_text())
    for part in ("reproduced", "DFA is behind", "11.00 ± 1.00 (n = 3)", "6.50 ± 1.50", "+4.50 points", "paired t"):
        assert part in page.text
    track = Page((tmp_path / "site" / "tracks" / "digits-fc.html").read_text())
    rows = [link for link in page.links if link.startswith("tracks/digits-fc.html#")]
    assert len(rows) >= 8
    assert {link.partition("#")[2] for link in rows} <= set(track.ids)
    assert {link for link in page.links if link.startswith("#claim-")} == {"#claim-a-claim"}
    assert "claims.html" in Page((tmp_path / "site" / "index.html").read_text()).links
    assert "../claims.html" in track.links
    assert page.tags.count("script") == 2  # the theme; sorting and copying: nothing of the claims needs one


def test_a_hostile_claim_and_record_are_text(claims: Claims, make_record: Any, tmp_path: Any) -> None:
    records = [make_record(r, s, 0.1 + s / 1e3, hardware_class=HOSTILE) for r in ("dfa", "backprop") for s in range(3)]
    records += [make_record("dfa", s, 0.1, hardware_class="b") for s in range(3)]
    cases = [claims.case(metric="credit_angle_deg", segments=[HOSTILE], segment=HOSTILE), claims.case()]
    later = claims.case().comparison.model_copy(update={"tracks": (), "setting": HOSTILE})
    claim = ClaimSpec.model_validate(
        {
            "name": "a-claim",
            "title": HOSTILE,
            "source": HOSTILE,
            "statement": HOSTILE,
            "note": HOSTILE,
            "tiers": ["quick"],
            "comparisons": [c.comparison for c in cases],
        }
    )
    second = claim.model_copy(update={"name": "b-claim"})
    expanded = [ClaimCases(claim, (cases[1],)), ClaimCases(second, (cases[0], Case(later, "quick", None, None)))]
    build_site(records, tmp_path / "site", papers=Papers(claims=expanded))
    for name in ("claims.html", "index.html"):
        page = Page((tmp_path / "site" / name).read_text())
        assert page.tags.count("script") == (
            3 if name == "index.html" else 2
        )  # the index that the search looks through
        assert "img" not in page.tags
        assert "49" not in page.text.replace("{{ 7 * 7 }}", "")
    assert (
        HOSTILE.replace("\u202e", "\N{REPLACEMENT CHARACTER}")
        in Page((tmp_path / "site" / "claims.html").read_text()).text
    )


def test_without_claims_there_is_no_page_and_no_link(records: list[Any], tmp_path: Any) -> None:
    build_site(records, tmp_path / "site")
    assert not (tmp_path / "site" / "claims.html").exists()
    assert "claims.html" not in (tmp_path / "site" / "index.html").read_text()
