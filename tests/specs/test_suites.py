"""Oracle: products of tracks and rules written out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.errors import SpecError
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, load_library_for, resolve

CELLS = """
cells:
  - {tracks: [digits-fc, digits-conv], rules: [feedback_alignment, backprop]}
  - tracks: [mnist-fc]
    rules: [direct_feedback_alignment, backprop]
seeds: 2
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return the file of a suite with two products."""
    (tmp_path / "suites").mkdir()
    path = tmp_path / "suites" / "mine.yaml"
    path.write_text(CELLS)
    return path


def cells_of(registry: Registry, path: Path, **selection: tuple[str, ...]) -> list[tuple[str, str, int]]:
    chosen = Selection(str(path), **selection)  # type: ignore[arg-type]
    runs = resolve(chosen, load_library_for(str(path), [builtin_folder()]), registry)
    return [(run.spec.track, run.spec.rule.name, run.spec.seed) for run in runs]


def test_every_product_has_its_own_rules_and_no_others(registry: Registry, suite: Path) -> None:
    """Catches rules of one product run on the tracks of another."""
    expected = {
        ("digits-fc", "feedback_alignment"),
        ("digits-fc", "backprop"),
        ("digits-conv", "feedback_alignment"),
        ("digits-conv", "backprop"),
        ("mnist-fc", "direct_feedback_alignment"),
        ("mnist-fc", "backprop"),
    }
    found = cells_of(registry, suite)
    assert len(found) == 12
    assert set(found) == {(track, rule, seed) for track, rule in expected for seed in range(2)}


def test_a_track_in_two_products_has_the_rules_of_both_once(registry: Registry, suite: Path) -> None:
    suite.write_text(CELLS.replace("[mnist-fc]", "[digits-fc]"))
    found = cells_of(registry, suite)
    rules = {"feedback_alignment", "backprop", "direct_feedback_alignment"}
    assert sorted(f for f in found if f[0] == "digits-fc") == sorted(("digits-fc", r, s) for r in rules for s in (0, 1))


def test_a_rule_asked_for_stays_where_the_suite_has_it(registry: Registry, suite: Path) -> None:
    """Catches half of a table filled with pairs that the suite leaves out on purpose."""
    found = cells_of(registry, suite, rules=("direct_feedback_alignment",), seeds=(0,))  # type: ignore[arg-type]
    assert found == [("mnist-fc", "direct_feedback_alignment", 0)]


def test_a_rule_that_the_suite_does_not_name_runs_on_all_its_tracks(registry: Registry, suite: Path) -> None:
    """The author of a new rule puts it beside a published table so."""
    found = cells_of(registry, suite, rules=("readout_only",), seeds=(0,))  # type: ignore[arg-type]
    assert {track for track, _, _ in found} == {"digits-fc", "digits-conv", "mnist-fc"}


def test_an_override_may_name_any_rule_of_the_suite(registry: Registry, suite: Path) -> None:
    """Catches settings of one product's rule refused on the tracks of the other."""
    override = "rules.feedback_alignment.config.distribution=normal"
    assert len(cells_of(registry, suite, overrides=(override,))) == 12


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("tracks: [digits-fc]", ["rules missing", "or cells"]),
        ("title: Nothing", ["tracks and rules missing"]),
        (CELLS + "rules: [backprop]", ["give either cells or tracks and rules"]),
        ("cells: []", ["cells"]),
        ("cells: [{tracks: [digits-fc]}]", ["cells.0.rules: required, missing"]),
        ("cells: [{tracks: [digits-fc], rule: [backprop], rules: [backprop]}]", ["did you mean 'rules'?"]),
        (CELLS.replace("mnist-fc", "mnist-fx"), [":4:14 cells.1.tracks.0: no track 'mnist-fx'", "mean 'mnist-fc'?"]),
        (CELLS.replace("[feedback", "[fedback"), [":3:48 cells.0.rules.0: no rule", "mean 'feedback_alignment'?"]),
    ],
)
def test_a_wrong_suite_is_told_with_its_place(
    registry: Registry, suite: Path, content: str, expected: list[str]
) -> None:
    suite.write_text(content)
    problems = check_file(suite, load_library_for(str(suite), [builtin_folder()]), registry)
    shown = "\n".join(str(p) for p in problems)
    for text in expected:
        assert text in shown
    with pytest.raises(SpecError):
        cells_of(registry, suite)


def test_gevb_tables_is_the_papers_48_cells_with_five_seeds(registry: Registry, library: SpecLibrary) -> None:
    """GEVB and backprop where units are vectors, DFA and backprop where they are not; nothing else."""
    runs = [r.spec for r in resolve(Selection("gevb-tables"), library, registry)]
    nets = {f"{data}-{net}" for data in ("mnist", "cifar10") for net in ("fc", "conv", "lc")}
    expected = {
        (f"{net}-{family}-{sign}", rule)
        for net in nets
        for sign in ("nonnegative", "mixed")
        for family, rules in (
            ("vectorized", ("gevb", "backprop")),
            ("conventional", ("direct_feedback_alignment", "backprop")),
        )
        for rule in rules
    }
    assert len(expected) == 48
    assert {(r.track, r.rule.name) for r in runs} == expected
    assert len(runs) == 5 * 48
    assert {r.seed for r in runs} == set(range(5))
    assert {r.tier for r in runs} == {"paper"}


def test_urfb_figures_has_every_bar_and_what_the_paper_leaves_open(registry: Registry, library: SpecLibrary) -> None:
    """Catches a bar that no run makes: both losses, both kinds of feedback, half the connections, tied and untied."""
    runs = [r.spec for r in resolve(Selection("urfb-figures", seeds=(0,)), library, registry)]
    bars = {(r.track, r.rule.shown_as) for r in runs}
    assert len(bars) == len(runs) == 67
    for data in ("cifar10", "cifar100"):
        for net in ("simpnet", "deepnet", "deepernet"):
            for bar in (
                "BP, softmax",
                "backprop",
                "updated_random_feedback",
                "feedback_alignment",
                "URFB, 50 % connectivity",
                "FRFB, 50 % connectivity",
            ):
                assert (f"{data}-{net}", bar) in bars
    for net in ("simpnet-s", "simpnet-lc", "deepnet-s", "deepnet-s-lc"):
        for bar in ("BP, softmax", "backprop", "updated_random_feedback", "feedback_alignment"):
            assert (f"cifar10-{net}", bar) in bars
    softmax = {r.protocol.loss for r in runs if r.rule.shown_as == "BP, softmax"}
    halves = {r.rule.config["connectivity"] for r in runs if "50 %" in r.rule.shown_as}
    slopes = {r.architecture.defaults.activation.slope for r in runs if "half-slope" in r.track}
    weights = {r.protocol.loss.mu for r in runs if "10/99" in r.rule.shown_as}
    assert (softmax, halves, slopes, weights) == ({"cross_entropy"}, {0.5}, {0.5}, {10 / 99})


def test_cells_of_other_tiers_are_left_out(registry: Registry, suite: Path) -> None:
    """Catches a network for a GPU run on a laptop, or left out where it belongs."""
    suite.write_text(CELLS.replace("tracks: [mnist-fc]", "tracks: [mnist-fc]\n    tiers: [smoke, paper]"))
    assert {track for track, _, _ in cells_of(registry, suite)} == {"digits-fc", "digits-conv"}
    assert {track for track, _, _ in cells_of(registry, suite, tier="paper")} == {  # type: ignore[arg-type]
        "digits-fc",
        "digits-conv",
        "mnist-fc",
    }


def test_a_tier_without_cells_is_refused_with_those_that_have_some(registry: Registry, suite: Path) -> None:
    """Catches success with nothing run."""
    suite.write_text("cells:\n  - {tracks: [digits-fc], rules: [backprop], tiers: [paper]}\n")
    with pytest.raises(SpecError, match=r"no cells at tier quick; there are some at paper"):
        cells_of(registry, suite)
