"""Oracle: floors, missing runs and verdicts on copies, worked out by hand for made records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchsuite.api.claim_display import claim_parts
from benchsuite.papers.claim_cases import Arm, ArmPair, Case, expand_claims, load_claims
from benchsuite.papers.stand_ins import find_stand_ins
from benchsuite.papers.verdict_words import missing_words
from benchsuite.papers.verdicts import decide, judge, seeds_to_decide
from benchsuite.registry.manager import Registry
from benchsuite.results.model import Estimate
from benchsuite.results.statistics import t_quantile
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import load_library_for
from benchsuite.specs.models.claim import ClaimSpec

from .made_claims import Claims

DFA, BP = [0.10, 0.11, 0.12], [0.05, 0.065, 0.08]


@pytest.fixture(scope="module")
def claims(make_record: Any) -> Claims:
    return Claims(make_record)


@pytest.fixture(scope="module")
def records(make_seeds: Any) -> list[Any]:
    return [*make_seeds("dfa", DFA), *make_seeds("backprop", BP)]


def test_a_line_says_what_it_compares(claims: Claims, records: list[Any]) -> None:
    """Catches ``dfa above backprop; 11.00 against 6.50`` of anything: errors, angles or times."""
    line = str(list(claim_parts(claims.judge(records, claims.case(direction="higher"))))[1])
    assert line.strip().startswith("test error (%): dfa above backprop; 11.00")


# --- floors ---


def test_a_reference_above_the_floor_leaves_the_claim_undecided(claims: Claims, records: list[Any]) -> None:
    """Catches a verdict by networks that learnt nothing: the interval alone would say 'reproduced'."""
    bare, good, bad = (
        claims.judge(records, claims.case(direction="higher", floors=floors))
        for floors in ((), (claims.floor(at_most=0.066),), (claims.floor(at_most=0.064),))
    )
    assert bare.verdict == good.verdict == "reproduced"
    assert (bad.verdict, bad.tier) == ("not_enough_records", None)
    assert bad.cases[0].reason == (
        "trained too little to tell: backprop's test error on digits-fc is 6.50 %; at most 6.4 % is needed"
    )
    assert bad.missing is None, "more seeds of too short a training decide nothing"


def test_a_floor_needs_its_reference_measured(claims: Claims, make_seeds: Any) -> None:
    """Catches a floor that counts as reached because nobody measured its reference."""
    floors = (claims.floor(at_most=0.2),)
    case = claims.case(right=None, value=0.5, test="one_sample", floors=floors)
    lacking = claims.judge(make_seeds("dfa", DFA), case)
    assert lacking.verdict == "not_enough_records"
    assert "backprop's test error on digits-fc must be known: 0 of 3 seeds" in lacking.cases[0].reason
    assert lacking.missing.command == "benchsuite run digits-fc --tier quick --rules backprop --seeds 3"
    assert claims.judge([*make_seeds("dfa", DFA), *make_seeds("backprop", BP)], case).verdict == "reproduced"


def test_a_failed_seed_of_the_reference_is_never_left_out(claims: Claims, records: list[Any], make_record: Any) -> None:
    case = claims.case(right=None, value=0.5, test="one_sample", floors=(claims.floor(at_most=0.2),))
    found = claims.judge([*records, make_record("backprop", 3, status="crashed", reason="x")], case)
    assert "3 of 4 seeds" in found.cases[0].reason


def test_a_floor_is_of_the_data_that_is_judged(claims: Claims, make_seeds: Any) -> None:
    """Catches a reference trained on other data that vouches for networks on these."""
    case = claims.case(right=None, value=0.5, test="one_sample", floors=(claims.floor(at_most=0.2),))
    mixed = [*make_seeds("dfa", DFA, fingerprint="aa"), *make_seeds("backprop", BP, fingerprint="bb")]
    assert claims.judge(mixed, case).verdict == "not_enough_records"


def test_too_little_training_at_quick_asks_for_the_paper_tier(claims: Claims, records: list[Any]) -> None:
    cases = [claims.case(tier=tier, floors=(claims.floor(tier=tier, at_most=0.01),)) for tier in ("paper", "quick")]
    missing = claims.judge(records, *cases).missing
    assert missing.command == "benchsuite run digits-fc --tier paper --rules dfa,backprop --seeds 3"


def claim_about(comparison: dict[str, Any], **fields: Any) -> ClaimSpec:
    whole = {"tracks": ["a", "b"], "metric": "test_error", "left": {"rule": "x"}, "right": {"rule": "y"}}
    whole |= {"direction": "lower", "test": "paired"} | comparison
    return ClaimSpec.model_validate({"name": "c", "source": "s", "statement": "t", "comparisons": [whole], **fields})


def test_a_floor_is_for_a_track_of_the_claim() -> None:
    """Catches a misspelt track whose floor would never be looked at."""
    with pytest.raises(ValueError, match="a floor is for z, but no comparison is; expected a, b"):
        claim_about({}, floors=[{"tracks": ["z"], "rule": "x", "at_most": 0.1}])


def test_a_claim_without_floors_is_written_as_before() -> None:
    assert "floors" not in claim_about({}).model_dump()
    assert claim_about({}, floors=[{"tracks": ["a"], "rule": "x", "at_most": 0.1}]).model_dump()["floors"]


SIDE = "tracks: [digits-fc], left: {rule: backprop}, direction: lower"
OTHER = f"right: {{rule: readout_only}}, {SIDE}"
FLOORED = f"""
source: a paper
statement: so it is
floors: [{{tracks: [digits-fc], rule: backprop, at_most: 0.1}}]
comparisons:
  - {{metric: test_error, test: paired, {OTHER}}}
  - {{metric: cost_per_step, test: welch, {OTHER}}}
  - {{metric: credit_angle_deg, segments: [dense1], epoch: 0, value: 5, test: one_sample, {SIDE}}}
"""


def own_library(folder: Path, **files: str) -> SpecLibrary:
    for name, text in files.items():
        kind, _, stem = name.partition("_")
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / f"{stem}.yaml").write_text(text)
    return SpecLibrary([builtin_folder(), folder])


def test_what_is_measured_before_training_or_on_the_clock_needs_no_floor(registry: Registry, tmp_path: Path) -> None:
    library = own_library(tmp_path, claims_floored=FLOORED)
    (found,) = (c for c in expand_claims(library, registry, lambda *_: False) if c.claim.name == "floored")
    assert [len(case.floors) for case in found.cases if case.tier == "quick"] == [1, 0, 0]


def test_a_floor_is_a_distance_above_the_published_error(registry: Registry, tmp_path: Path) -> None:
    """Catches per cent added to a fraction, and an early epoch's error taken for the last one's."""
    values = """
source: a paper
entries:
  - {track: digits-fc, rule: backprop, metric: test_error_percent, epoch: 1, value: 40}
  - {track: digits-fc, rule: backprop, metric: train_error_percent, value: 0.5}
  - {track: digits-fc, rule: backprop, metric: test_error_percent, value: 2}
"""
    near = FLOORED.replace("at_most: 0.1", "within: 0.03")
    library = own_library(tmp_path, claims_near=near, reference_values=values)
    (found,) = (c for c in expand_claims(library, registry, lambda *_: False) if c.claim.name == "near")
    assert found.cases[0].floors[0].at_most == pytest.approx(0.05)
    path = tmp_path / "claims" / "near.yaml"
    assert check_file(path, load_library_for(str(path), [builtin_folder()]), registry) == []
    path.write_text(near.replace("rule: backprop, within", "rule: readout_only, within"))
    (problem,) = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    assert "no test error of readout_only on digits-fc is published in specs/reference; give at_most" in str(problem)


@pytest.mark.parametrize("bounds", [{}, {"within": 0.1, "at_most": 0.1}])
def test_a_floor_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not both"):
        claim_about({}, floors=[{"rule": "x", **bounds}])


def test_a_floor_of_an_unknown_rule_is_told_with_its_place(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "claims" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(FLOORED.replace("rule: backprop, at_most", "rule: backprp, at_most"))
    (problem,) = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    assert "floors.0.rule: no rule 'backprp'; did you mean 'backprop'?" in str(problem)


@pytest.mark.parametrize(
    ("name", "learnt_little", "learnt"),
    [("gevb-near-backprop-mnist-local", 0.10, 0.02), ("gevb-near-backprop-cifar10", 0.55, 0.45)],
)
def test_networks_that_learnt_little_do_not_decide_what_the_gevb_paper_says(
    name: str, learnt_little: float, learnt: float, library: SpecLibrary, registry: Registry, make_record: Any
) -> None:
    """Catches 'GEVB is close to backprop' at 10 % error on MNIST, where whatever has not learnt is equally bad."""
    tracks = {claim.name: claim.tracks for claim in load_claims(library)}[name]
    expanded = expand_claims(library, registry, lambda track, tier: track in tracks and tier == "quick")
    (cases,) = (found for found in expanded if found.claim.name == name)

    def verdict_at(error: float) -> Any:
        records = [
            make_record(test_error=error + seed / 1e4).model_copy(
                update={"spec": spec.model_copy(update={"seed": seed})}
            )
            for spec in {id(arm): arm.spec for case in cases.cases for arm in case.arms if arm.spec}.values()
            for seed in range(3)
        ]
        (verdict,) = judge([cases], records)
        return verdict

    assert verdict_at(learnt).verdict == "reproduced"
    early = verdict_at(learnt_little)
    assert early.verdict == "not_enough_records"
    assert any(case.reason.startswith("trained too little to tell") for case in early.cases)
    assert early.missing.tier == "paper"


# --- missing runs ---


def test_only_the_runs_that_are_missing_are_asked_for(claims: Claims, make_seeds: Any) -> None:
    """Catches a command that makes again what is there, or leaves out a rule that is subtracted."""
    records = [*make_seeds("dfa", DFA), *make_seeds("backprop", BP[:1])]
    case = claims.case(left="dfa", right="fa", minus="backprop", test="welch")
    missing = claims.judge(records, case).missing
    assert {(run.rule, run.seed) for run in missing.runs} == {
        *(("fa", s) for s in range(3)),
        ("backprop", 1),
        ("backprop", 2),
    }
    assert missing.command == "benchsuite run digits-fc --tier quick --rules backprop,fa --seeds 3"
    assert missing_words(missing) == (
        "at the quick tier, backprop on digits-fc, seeds 1 to 2; fa on digits-fc, seeds 0 to 2"
    )


def test_pairs_need_the_same_seeds_and_independent_runs_any(claims: Claims, make_record: Any) -> None:
    records = [make_record("dfa", s, 0.1) for s in (0, 1, 2)]
    records += [make_record("backprop", s, 0.5) for s in (4, 5)]
    paired, welch = (claims.judge(records, claims.case(test=test)).missing for test in ("paired", "welch"))
    assert [(run.rule, run.seed) for run in paired.runs] == [("backprop", s) for s in (0, 1, 2)]
    assert [(run.rule, run.seed) for run in welch.runs] == [("backprop", 0)]


def test_a_crashed_seed_is_made_again_and_a_diverged_one_is_not(
    claims: Claims, records: list[Any], make_record: Any
) -> None:
    """Catches a command that ends as it did before, for ever."""
    crashed, diverged = (
        claims.judge([*records, make_record("dfa", 3, status=status, reason="x")], claims.case()).missing
        for status in ("crashed", "diverged")
    )
    assert [(run.rule, run.seed) for run in crashed.runs] == [("dfa", 3)]
    assert diverged is None


def test_the_tier_that_lacks_least_is_asked_for_and_else_the_papers(claims: Claims, records: list[Any]) -> None:
    cases = [claims.case(tier="paper", test="welch"), claims.case(tier="quick", test="welch")]
    assert claims.judge(records[:5], *cases).missing.tier == "quick"
    assert claims.judge([], *cases).missing.tier == "paper"


def test_settings_of_a_side_are_part_of_the_command(claims: Claims) -> None:
    """Catches a command whose runs are of the default settings and decide nothing."""
    case = claims.case(test="welch")
    arms = [Arm("digits-fc", "dfa", None, "no records", settings=(s,)) for s in ("rules.dfa.config.scale=2", "x=1")]
    sides = [ArmPair(arm, None, None) for arm in arms]
    two = claims.judge([], Case(case.comparison, "quick", *sides)).missing.command
    assert two == (
        "benchsuite run digits-fc --tier quick --rules dfa --seeds 3 --set rules.dfa.config.scale=2 && "
        "benchsuite run digits-fc --tier quick --rules dfa --seeds 3 --set x=1"
    )
    one = claims.judge([], Case(case.comparison, "quick", sides[0], case.right)).missing.command
    assert one == "benchsuite run digits-fc --tier quick --rules dfa,backprop --seeds 3 --set rules.dfa.config.scale=2"


def test_what_no_run_can_decide_has_no_command(claims: Claims) -> None:
    case = claims.case()
    gone = ArmPair(Arm("digits-fc", "gone", None, "the rule gone is not installed", is_installed=False), None, None)
    assert claims.judge([], Case(case.comparison, "quick", gone, case.right)).missing is None
    later = case.comparison.model_copy(update={"tracks": (), "setting": "ImageNet"})
    assert claims.judge([], Case(later, "quick", None, None), case).missing is None


@pytest.mark.parametrize("direction", ["lower", "higher", "not_higher"])
def test_the_seeds_proposed_are_the_first_that_decide(claims: Claims, direction: str) -> None:
    """Would catch an interval that narrows with n instead of its root, and one seed too few."""
    comparison = claims.case(direction=direction, margin=0.01).comparison
    mean, sd = {"lower": -0.02, "higher": 0.02, "not_higher": 0.0}[direction], 0.02

    def verdict(n: int) -> str:
        half = t_quantile(n - 1) * sd / math.sqrt(n)
        return decide(comparison, mean - half, mean + half)[0]

    half = t_quantile(2) * sd / math.sqrt(3)
    found = seeds_to_decide(comparison, Estimate(mean=mean, n=3, sd=sd, low=mean - half, high=mean + half))
    assert found is not None
    assert found > 3
    assert (verdict(found - 1), verdict(found)) == ("inconclusive", "reproduced")


def test_an_inconclusive_claim_asks_for_more_seeds_or_says_that_they_would_not_do(
    claims: Claims, make_seeds: Any
) -> None:
    records = [*make_seeds("dfa", [0.10, 0.13, 0.16]), *make_seeds("backprop", [0.1, 0.1, 0.1])]
    found = claims.judge(records, claims.case(direction="higher"))
    assert (found.verdict, found.tier) == ("inconclusive", "quick")
    # By hand: mean and sd are both 0.03, and t(n - 1) / sqrt(n) is 1.05 for 6 seeds and 0.92 for 7.
    assert "about 7 seeds would decide it" in found.cases[0].reason
    assert found.missing.command == "benchsuite run digits-fc --tier quick --rules dfa,backprop --seeds 7"
    never = claims.judge(records, claims.case(direction="higher", margin=0.03))
    assert never.verdict == "inconclusive"
    assert "30 seeds would not decide it" in never.cases[0].reason
    assert never.missing is None


# --- stand-ins ---


def test_a_verdict_on_a_copy_is_beside_the_one_on_the_data_and_never_instead(
    claims: Claims, records: list[Any]
) -> None:
    """Catches errors on compressed images that decide what a paper said of the images themselves."""
    proper = claims.case(tier="paper", direction="higher")
    found = claims.judge(records, proper, on_copy=(claims.case(direction="higher"),))
    assert (found.verdict, found.tier) == ("not_enough_records", None)
    assert (found.on_copy.verdict, found.on_copy.tier) == ("reproduced", "quick")
    assert claims.judge(records, proper).on_copy is None


def test_a_claims_copies_are_its_tracks_stand_ins_that_have_records(library: SpecLibrary, registry: Registry) -> None:
    """Catches a copy whose records decide nothing, and a floor that stays on the data proper."""
    cells = {("cifar10-jpeg75-gait-deep", "quick"), ("mnist-fc", "quick")}
    found = {c.claim.name: c for c in expand_claims(library, registry, lambda track, tier: (track, tier) in cells)}
    one = found["normalized-gait-near-backprop-deep"]
    assert one.stand_ins == {"cifar10-gait-deep": "cifar10-jpeg75-gait-deep"}
    assert {arm.track for case in one.on_copy for arm in case.arms} == {"cifar10-jpeg75-gait-deep"}
    assert {arm.track for case in one.cases for arm in case.arms} == {"cifar10-gait-deep"}
    assert all(arm.spec for case in one.on_copy if case.tier == "quick" for arm in case.arms)
    assert found["random-feedback-behind-backprop-mnist"].on_copy == ()


def test_every_track_on_a_lossy_copy_says_what_it_stands_in_for(library: SpecLibrary) -> None:
    named = find_stand_ins(library, lambda *_: True)
    copies = [name for name in library.names("tracks") if "jpeg75" in name]
    assert len(copies) > 20
    assert sorted(named.values()) == copies


def test_a_stand_in_may_differ_in_its_data_alone(registry: Registry, tmp_path: Path) -> None:
    """Catches a shorter training that passes for the track with other data."""
    path = tmp_path / "tracks" / "mine.yaml"
    path.parent.mkdir()
    text = "extends: digits-fc\nstands_in_for: digits-fc\nsource: ours\ndataset: synthetic\n"
    path.write_text(text)
    library = load_library_for(str(path), [builtin_folder()])
    assert check_file(path, library, registry) == []
    path.write_text(text + "protocol: {epochs: 1}\n")
    (problem,) = check_file(path, library, registry)
    assert "stands_in_for: differs from digits-fc in protocol; a stand-in may differ in its dataset alone" in str(
        problem
    )
    path.write_text(text.replace("for: digits-fc", "for: digits-fx"))
    assert "no track 'digits-fx'; did you mean" in str(check_file(path, library, registry)[0])
