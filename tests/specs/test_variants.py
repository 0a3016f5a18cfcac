"""Oracle: rows written out by hand, and the same settings given by ``--set``."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from benchsuite.errors import SpecError
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id, spec_hash
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.named_rows import named_runs
from benchsuite.specs.loading.resolve import SelectedRun, Selection, resolve
from benchsuite.specs.models.track import RuleSpec

NORMAL = "{rule: feedback_alignment, as: 'FA, normal weights', config: {distribution: normal}}"
HINGE = "{rule: backprop, as: BP-H, protocol: {loss: one_versus_all_hinge, optimizer: {learning_rate: 0.03}}}"
SUITE = f"""
cells:
  - tracks: [mine]
    rules:
      - backprop
      - {HINGE}
      - feedback_alignment
      - {NORMAL}
  - {{tracks: [digits-conv], rules: [backprop, BP-H]}}
seeds: 1
tier: smoke
"""
TRACK = """
extends: digits-fc
rules:
  - {rule: feedback_alignment, as: "FA: small weights", config: {standard_deviation: 0.01, distribution: normal}}
tiers:
  smoke:
    rules:
      "FA: small weights": {config: {standard_deviation: 0.02}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of specs with a suite, and a track that it has."""
    for name, text in (("suites/ablation", SUITE), ("tracks/mine", TRACK)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def own(folder: Path) -> SpecLibrary:
    """Return the suite's own specs and this folder's."""
    return SpecLibrary([builtin_folder(), folder])


def rows(runs: list[SelectedRun]) -> list[tuple[str, str, str]]:
    return [(run.spec.track, run.spec.rule.name, run.spec.rule.shown_as) for run in runs]


def test_a_suite_has_a_rule_several_times_each_on_the_tracks_of_its_cells(own: SpecLibrary, registry: Registry) -> None:
    """Catches two rows of a rule that fall into one, and a variant run where the suite leaves it out."""
    runs = resolve(Selection("ablation"), own, registry)
    assert rows(runs) == [
        ("mine", "backprop", "backprop"),
        ("mine", "backprop", "BP-H"),
        ("mine", "feedback_alignment", "feedback_alignment"),
        ("mine", "feedback_alignment", "FA, normal weights"),
        ("digits-conv", "backprop", "backprop"),
        ("digits-conv", "backprop", "BP-H"),
    ]
    assert len({run_id(run.spec) for run in runs}) == 6
    assert {run.spec.protocol.optimizer.learning_rate for run in runs if run.spec.rule.title == "BP-H"} == {0.03}


def test_a_variant_is_the_run_that_the_same_settings_make(own: SpecLibrary, registry: Registry) -> None:
    """Catches a run made twice because its row has a name; the command of a record must repeat it without the name."""
    runs = resolve(Selection("ablation"), own, registry)
    given = ("protocol.loss=one_versus_all_hinge", "protocol.optimizer.learning_rate=0.03")
    chosen = Selection("digits-conv", rules=("backprop",), tier="smoke", seeds=(0,), overrides=given)
    (by_set,) = resolve(chosen, own, registry)
    assert spec_hash(by_set.spec) == spec_hash(runs[-1].spec)
    assert by_set.spec.rule.title == "BP-H"  # as progress and MLflow show it
    for run in runs:
        words = shlex.split(run.command)
        settings = tuple(words[i + 1] for i, word in enumerate(words) if word == "--set")
        again = Selection(words[2], rules=(words[4],), tier="smoke", seeds=(0,), overrides=settings)
        assert [spec_hash(repeated.spec) for repeated in resolve(again, own, registry)] == [spec_hash(run.spec)]


def test_a_rule_without_a_variants_name_is_written_as_before() -> None:
    """Catches the hash of every earlier record, and its text, changed by the new field."""
    assert RuleSpec(name="backprop").model_dump(mode="json") == {"name": "backprop", "config": {}}
    named = RuleSpec(name="backprop", title="BP-H")
    assert RuleSpec.model_validate_json(named.model_dump_json()) == named


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("FA", "normal weights", "backprop"), ["FA, normal weights", "backprop"]),
        (("fa-normal-weights",), ["FA, normal weights"]),
        (("feedback_alignment",), ["feedback_alignment"]),
        (("fa-*", "BP*"), ["FA, normal weights", "BP-H"]),
        (("fa-small-weights",), ["FA: small weights"]),
    ],
)
def test_a_variant_is_asked_for_by_its_name_or_as_one_word(
    own: SpecLibrary, registry: Registry, asked: tuple[str, ...], expected: list[str]
) -> None:
    """The command splits a list at commas, which may be a part of the name; the last one is the track's own."""
    runs = resolve(Selection("ablation", rules=asked), own, registry)
    assert [run.spec.rule.shown_as for run in runs if run.spec.track == "mine"] == expected


def test_a_track_runs_its_own_variants_and_knows_those_of_suites(own: SpecLibrary, registry: Registry) -> None:
    """Catches a row of a suite that cannot be run alone, and a track filled with the rows of every suite."""
    runs = resolve(Selection("mine", tier="smoke", seeds=(0,)), own, registry)
    assert [run.spec.rule.title for run in runs if run.spec.rule.title] == ["FA: small weights"]
    assert len(runs) == len(registry.rules) + 1
    (run,) = resolve(Selection("mine", rules=("bp-h",), seeds=(0,)), own, registry)
    assert (run.spec.rule.shown_as, run.spec.tier) == ("BP-H", "quick")


def test_a_tier_changes_a_variant_as_it_changes_a_rule(own: SpecLibrary, registry: Registry) -> None:
    """Catches a list of variants that replaces what it extends instead of being merged by name."""
    found = {}
    for tier in ("smoke", "paper"):
        (run,) = resolve(Selection("mine", rules=("fa-small-weights",), tier=tier, seeds=(0,)), own, registry)
        found[tier] = run.spec.rule.config
    assert found["smoke"] == {"distribution": "normal", "standard_deviation": 0.02}
    assert found["paper"] == {"distribution": "normal", "standard_deviation": 0.01}


def test_a_variant_is_laid_over_what_its_track_and_tier_have_for_the_rule(folder: Path, registry: Registry) -> None:
    """Catches an ablation that differs from its rule in more than it says, or in nothing."""
    (folder / "tracks" / "mine.yaml").write_text(
        "extends: digits-fc\nrules:\n"
        "  feedback_alignment: {config: {distribution: normal}, protocol: {optimizer: {learning_rate: 0.05}}}\n"
        "  Wide: {rule: feedback_alignment, config: {standard_deviation: 2}, protocol: {batch_size: 7}}\n"
        "tiers: {smoke: {rules: {feedback_alignment: {config: {standard_deviation: 3}, protocol: {batch_size: 8}}}}}\n"
    )
    chosen = Selection("mine", rules=("feedback_alignment", "wide"), tier="smoke", seeds=(0,))
    plain, wide = (run.spec for run in resolve(chosen, SpecLibrary([builtin_folder(), folder]), registry))
    assert (plain.rule.config, plain.protocol.batch_size) == ({"distribution": "normal", "standard_deviation": 3}, 8)
    assert (wide.rule.config, wide.protocol.batch_size) == ({"distribution": "normal", "standard_deviation": 2}, 7)
    assert plain.protocol.optimizer == wide.protocol.optimizer
    assert wide.protocol.optimizer.learning_rate == 0.05


def test_an_override_of_a_variant_leaves_its_rule_alone(own: SpecLibrary, registry: Registry) -> None:
    override = "rules.fa-normal-weights.config.standard_deviation=0.5"
    runs = resolve(Selection("ablation", overrides=(override,)), own, registry)
    found = {run.spec.rule.shown_as: run.spec.rule.config for run in runs if run.spec.rule.name == "feedback_alignment"}
    assert found["FA, normal weights"]["standard_deviation"] == 0.5
    assert found["feedback_alignment"]["standard_deviation"] is None


def test_rows_with_the_same_settings_are_one_run(own: SpecLibrary, registry: Registry) -> None:
    """Catches a run made twice at once, by two workers, under two names."""
    override = "rules.feedback_alignment.config={distribution: normal, standard_deviation: 0.1}"
    with pytest.raises(SpecError, match="expected rules"):
        resolve(Selection("ablation", overrides=(override,)), own, registry)
    override = "rules.feedback_alignment.config.distribution=normal"
    runs = resolve(Selection("ablation", overrides=(override,)), own, registry)
    assert [name for _, rule, name in rows(runs) if rule == "feedback_alignment"] == ["FA, normal weights"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("as: BP-H", "as: 'fa normal weights'", ["cells.0.rules.3: 'FA, normal weights' is the name of two rows"]),
        ("as: BP-H", "as: 'BP*'", ["cells.0.rules.1.as: ", "begins with a letter or a digit and has none of * ? [ ]"]),
        ("as: BP-H", r'as: "BP\u202e"', ["cells.0.rules.1.as: ", "expected a line of text"]),
        ("as: BP-H", "as: Feedback Alignment", ["is the name of another rule, and this is backprop"]),
        ("as: BP-H", "as: Backprop", ["is the name of this rule"]),
        ("rule: backprop", "rule: backprp", ["cells.0.rules.1.rule: no rule 'backprp'; did you mean 'backprop'?"]),
        ("as: BP-H", "as: BP-H, config: {rate: 1}", [":6:51 cells.0.rules.1.config.rate: unknown"]),
        ("distribution: normal", "distribution: norml", ["cells.0.rules.3.config.distribution", "'norml'"]),
        (
            "learning_rate: 0.03",
            "learning_rat: 0.03",
            [":6:87 cells.0.rules.1.protocol.optimizer.learning_rat: unknown; did you mean"],
        ),
        (
            "loss: one_versus_all_hinge",
            "timeout_s: 5",
            ["cannot change timeout_s, since all rows", "set it in the trac"],
        ),
        ("protocol: {loss", "protcol: {loss", ["protcol: unknown; did you mean 'protocol'?"]),
        ("[backprop, BP-H]", "[backprop, BP-G]", ["cells.1.rules.1: no rule or variant 'BP-G'; did you mean 'bp-h'?"]),
    ],
)
def test_a_wrong_variant_is_refused_with_its_place(
    folder: Path, registry: Registry, before: str, after: str, expected: list[str]
) -> None:
    path = folder / "suites" / "ablation.yaml"
    assert before in SUITE
    path.write_text(SUITE.replace(before, after, 1))
    shown = "\n".join(map(str, check_file(path, SpecLibrary([builtin_folder(), folder]), registry)))
    for text in expected:
        assert text in shown
    with pytest.raises(SpecError):
        resolve(Selection("ablation"), SpecLibrary([builtin_folder(), folder]), registry)


def test_a_wrong_variant_of_a_track_is_refused_with_its_place(folder: Path, registry: Registry) -> None:
    path, library = folder / "tracks" / "mine.yaml", SpecLibrary([builtin_folder(), folder])
    assert check_file(path, library, registry) == []
    for before, after, expected in (
        ("standard_deviation: 0.01", "deviation: 0.01", "rules.FA: small weights.config.deviation: unknown"),
        ('as: "FA: small weights"', "as: backprop", "'backprop' is the name of another rule"),
        ('as: "FA: small weights", ', "", "rules.0: expected a variant"),
        ('      "FA: small', '      "FA: smal', "no rule 'FA: smal weights'"),
    ):
        path.write_text(TRACK.replace(before, after, 1))
        assert expected in "\n".join(map(str, check_file(path, library, registry)))


def test_a_name_with_two_meanings_on_a_track_is_not_guessed(folder: Path, registry: Registry) -> None:
    """Catches the run of one suite's row shown, and judged, as another's."""
    (folder / "suites" / "other.yaml").write_text(SUITE.replace("0.03", "0.04"))
    library = SpecLibrary([builtin_folder(), folder])
    with pytest.raises(SpecError, match=r"'bp-h' has other settings in .*ablation.yaml and .*other.yaml"):
        resolve(Selection("mine", rules=("bp-h",)), library, registry)
    # The second name is the track's own, so that all of its variants are looked through.
    chosen = Selection("other", rules=("bp-h", "fa-small-weights"), seeds=(0,))
    runs = {run.spec.rule.title: run.spec for run in resolve(chosen, library, registry)}
    assert runs["BP-H"].protocol.optimizer.learning_rate == 0.04
    assert len(runs) == 2


def test_a_wrong_variant_elsewhere_stops_no_other_run(folder: Path, registry: Registry) -> None:
    """Catches a run refused, or its name lost, for a mistake in a suite that it has nothing to do with."""
    wrong = SUITE.replace("rule: backprop,", "rule: nothing_of_this_name,").replace("normal}", "norml}")
    (folder / "suites" / "wrong.yaml").write_text(wrong)
    (folder / "suites" / "worse.yaml").write_text("cells: {tracks: mine, rules: [{rule: backprop}]}")
    library = SpecLibrary([builtin_folder(), folder])
    override = "rules.feedback_alignment.config.distribution=normal"
    chosen = Selection("mine", rules=("feedback_alignment",), tier="smoke", seeds=(0,), overrides=(override,))
    (run,) = resolve(chosen, library, registry)
    assert run.spec.rule.title == "FA, normal weights"
    assert {spec.rule.title for spec in named_runs(library, registry, lambda track, _: track == "mine")} == {
        "",
        "BP-H",
        "FA, normal weights",
        "FA: small weights",
    }


def test_a_claim_and_a_published_value_may_name_a_variant(folder: Path, registry: Registry) -> None:
    library = SpecLibrary([builtin_folder(), folder])
    claim = (
        "statement: Normal weights do no harm.\nsource: Someone 2020\ncomparisons:\n  - {tracks: [mine], metric: "
        "test_error, left: {rule: 'FA, normal weights'}, right: {rule: BP-H}, direction: not_higher, test: paired}\n"
    )
    reference = "source: Someone 2020\nentries: [{track: mine, rule: BP-H, metric: test_error_percent, value: 1}]\n"
    for kind, text in (("claims", claim), ("reference", reference)):
        path = folder / kind / "said.yaml"
        path.parent.mkdir()
        path.write_text(text)
        assert check_file(path, library, registry) == []
        path.write_text(text.replace("BP-H", "BP-G"))
        assert "'BP-G'" in str(check_file(path, library, registry)[0])
