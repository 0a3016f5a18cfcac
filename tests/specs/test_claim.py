"""Oracle: the tracks that claims name, and one thing wrong with a claim at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.papers.claim_cases import ClaimCases, expand_claims, load_claims
from benchsuite.registry.manager import Registry, installed_registry
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import load_library_for
from benchsuite.specs.models.claim import COST

FILES = sorted((builtin_folder() / "claims").glob("*.yaml"))


OF_ALL = {"update_angle_deg"}
"""Diagnostics that the network as a whole has too."""


@pytest.fixture(scope="module")
def expanded() -> list[ClaimCases]:
    return expand_claims(SpecLibrary([builtin_folder()]), installed_registry(), lambda *_: True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_builtin_claim_is_right(registry: Registry, path: Path) -> None:
    assert check_file(path, load_library_for(str(path), [builtin_folder()]), registry) == []


def test_there_are_claims_of_all_four_papers(library: SpecLibrary) -> None:
    claims = load_claims(library)
    read = {claim.source.split()[0] for claim in claims if "recalled" not in claim.source}
    assert read == {"Clark", "Amit", "Akrout", "arXiv:2102.11598"}, "a claim of another paper says that it is recalled"
    with_tracks = [c for c in claims if not any(comparison.setting for comparison in c.comparisons)]
    assert len(with_tracks) >= 20
    assert len({claim.title for claim in claims}) == len(claims)


def test_what_the_gait_paper_says_of_imagenet_is_there(library: SpecLibrary) -> None:
    """Catches a figure that is only in words: parity with backprop in the end, and the first layer's larger angle."""
    on_imagenet = [
        (c.metric, c.segments, c.left.rule, c.right.rule if c.right else c.value, c.direction)
        for claim in load_claims(library)
        for c in claim.comparisons
        if "imagenet-gait-conv" in c.tracks
    ]
    assert set(on_imagenet) == {
        ("cost_per_step", (), "normalized_gait_prop", "backprop", "higher"),
        ("test_top5_error", (), "normalized_gait_prop", "backprop", "not_higher"),
        ("test_top5_error", (), "normalized_gait_prop", "backprop", "higher"),
        ("train_top5_error", (), "normalized_gait_prop", "backprop", "higher"),
        ("test_top5_error", (), "feedback_alignment", 0.995, "lower"),
        ("test_top5_error", (), "feedback_alignment", 0, "higher"),
        ("test_top5_error", (), "feedback_alignment", 0.9, "higher"),
        ("update_angle_deg", (), "normalized_gait_prop", 10, "not_higher"),
        ("update_angle_deg", ("conv1",), "normalized_gait_prop", 20, "not_higher"),
        ("update_angle_deg", (), "feedback_alignment", 90, "equal"),
        ("update_angle_deg", (*(f"conv{i}" for i in range(1, 8)), "readout"), "normalized_gait_prop", 0, "equal"),
    }


def test_every_claim_asks_for_what_its_tracks_measure(expanded: list[ClaimCases], registry: Registry) -> None:
    """Catches a claim that no record can ever decide: a diagnostic, a segment or an epoch that is never measured."""
    seen = 0
    for claim in expanded:
        for case in claim.cases:
            for pair in (case.left, case.right):
                for arm in pair.arms if pair else ():
                    assert arm.spec is not None, (claim.claim.name, arm.missing)
                    seen += 1
                    comparison, spec = case.comparison, arm.spec
                    if comparison.metric.startswith("train_"):
                        assert spec.protocol.evaluation.train_set
                    if comparison.metric.startswith("validation_"):
                        assert spec.dataset.validation or spec.dataset.validation_examples
                    if not comparison.is_diagnostic:
                        assert all(e % spec.protocol.evaluation.every_epochs == 0 for e in comparison.epochs)
                        assert max(comparison.epochs, default=0) <= spec.protocol.epochs
                        continue
                    assert comparison.metric in spec.diagnostics.names, claim.claim.name
                    shape = (1, 28, 28) if arm.track.startswith("mnist") else (3, 32, 32)
                    shapes = shapes_of(spec.architecture, shape, 10, registry.architectures)
                    assert pair is not None
                    measured = {s.name for s in shapes.segments} | ({None} if comparison.metric in OF_ALL else set())
                    assert set(pair.most_of or [pair.segment]) <= measured, claim.claim.name
                    assert all(epoch % spec.diagnostics.every_epochs == 0 for epoch in comparison.epochs)
    assert seen > 100


def test_claims_of_one_track_share_its_resolved_runs(expanded: list[ClaimCases]) -> None:
    arms = {id(p.main): p.main for c in expanded for case in c.cases for p in (case.left, case.right) if p}
    names = [(a.spec.track, a.spec.tier, a.rule) for a in arms.values() if a.spec]
    assert len(names) == len(set(names))


def test_nothing_is_resolved_for_tracks_without_records(registry: Registry, library: SpecLibrary) -> None:
    for claim in expand_claims(library, registry, lambda *_: False):
        for case in claim.cases:
            assert case.left is None or case.left.main.missing == f"no records of {case.left.main.track}"


HEAD = "source: a paper\nstatement: so it is\ncomparisons:\n- "
SIDE = "left: {rule: backprop}, right: {rule: readout_only}"
GOOD = f"{{tracks: [digits-fc], metric: test_error, {SIDE}, direction: lower, test: paired}}"
OVER = (
    "{tracks: [digits-fc], metric: test_accuracy, left: {rule: readout_only, over: backprop}, value: 0.5, direction: "
)
OVER += "lower, test: one_sample}"
MOST = (
    "{tracks: [digits-fc], metric: credit_angle_deg, segments: [dense1, dense2], layers: most, left: {rule: backprop}, "
)
MOST += "value: 1, direction: lower, test: one_sample}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEAD + GOOD.replace("digits-fc", "digits-fx"), "no track 'digits-fx'; did you mean"),
        (HEAD + GOOD.replace("backprop", "backprp"), "no rule 'backprp'; did you mean 'backprop'?"),
        (HEAD + GOOD.replace("test_error", "test_eror"), "no diagnostic 'test_eror'; did you mean 'test_error'?"),
        (HEAD + GOOD.replace("rule: backprop", "rule: backprop, config: {x: 1}"), "left.config.x: unknown"),
        (HEAD + GOOD.replace("paired", "one_sample"), "one_sample is for a fixed value"),
        (HEAD + GOOD.replace("right: {rule: readout_only}", "value: 3"), "one_sample is for a fixed value"),
        (HEAD + GOOD.replace("direction", "value: 3, direction"), "give right, a side to compare with, or value"),
        (HEAD + GOOD.replace("direction", "segments: [a], direction"), "whole network; leave out segments"),
        (HEAD + GOOD.replace("direction", "since: 0, direction"), "not measured before training"),
        (HEAD + GOOD.replace("direction", "epoch: 0, direction"), "not measured before training"),
        (HEAD + GOOD.replace("direction", "epoch: 2, since: 2, direction"), "since: 2 is not before epoch 2"),
        (HEAD + GOOD.replace("test_error", COST).replace("direction", "epoch: 1, direction"), "leave out epoch and"),
        (HEAD + GOOD.replace("{rule: b", "{over: readout_only, rule: b"), "give over in both sides or in neither"),
        (HEAD + GOOD.replace("{rule: b", "{over: backprp, minus: backprop, rule: b"), "give one of them"),
        (HEAD + OVER.replace("over: backprop", "over: backprp"), "left.over: no rule 'backprp'"),
        (HEAD + GOOD.replace("direction", "layers: most, direction"), "two or more segments"),
        (HEAD + MOST.replace("direction: lower", "direction: equal"), "needs a direction"),
        (HEAD + MOST.replace("[dense1, dense2]", "[dense1]"), "two or more segments"),
        (HEAD + GOOD.replace("tracks: [digits-fc], ", ""), "tracks for both sides"),
        (HEAD + GOOD.replace("direction", "setting: x, direction"), "not both"),
        (HEAD + GOOD.replace("{rule: backprop}", "{rule: backprop, track: digits-fc}"), "own track beside"),
        (
            HEAD + GOOD.replace("test_error", COST).replace("{rule: b", "{minus: readout_only, rule: b"),
            "leave out value, minus and over",
        ),
        (HEAD + GOOD.replace("lower", "less"), "direction"),
        (HEAD + GOOD.replace("lower", "lower, margin: -1"), "margin"),
        ((HEAD + GOOD).replace("source: a paper\n", ""), "needs its source"),
        ((HEAD + GOOD).replace("statement: so it is\n", ""), "statement: required, missing"),
        (("minimum_seeds: 2\n" + HEAD + GOOD), "minimum_seeds"),
        (
            HEAD + "{metric: test_error, left: {rule: backprop, track: digits-fc}, right: {rule: backprop, track: "
            "digits-conv}, direction: lower, test: paired}",
            "two tracks share no seeds",
        ),
    ],
)
def test_a_wrong_claim_is_told_with_its_place(registry: Registry, tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "claims" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(content)
    problems = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    assert expected in "\n".join(str(p) for p in problems)
    assert all(p.file == str(path) for p in problems)


def test_a_right_claim_has_no_problem_and_a_setting_may_name_what_is_not_here(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "claims" / "mine.yaml"
    path.parent.mkdir()
    later = "{setting: ImageNet, metric: x, left: {rule: to_be_written}, value: 1, direction: lower, test: one_sample}"
    for comparison in (GOOD, OVER, MOST, later):
        path.write_text(HEAD + comparison)
        assert check_file(path, load_library_for(str(path), [builtin_folder()]), registry) == []
