"""Oracle: the specs as a person reads them; messages as STYLE's examples have them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from benchsuite.errors import EmptySelectionError, SpecError
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id, spec_hash
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, load_library_for, resolve
from benchsuite.specs.models.track import RunSpec

TRACK = """
title: My track
dataset: digits
architecture: digits-fc
protocol:
  epochs: 4
  batch_size: 16
  optimizer: {kind: sgd, learning_rate: 0.1}
rules:
  feedback_alignment:
    config: {distribution: normal}
    protocol: {optimizer: {learning_rate: 0.05}}
tiers:
  smoke:
    protocol: {epochs: 1}
    dataset: {train_limit: 100}
"""


@pytest.fixture
def own_specs(tmp_path: Path) -> Path:
    """Return a folder of user specs with one track."""
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "mine.yaml").write_text(TRACK)
    return tmp_path


def specs_of(selection: Selection, registry: Registry, *folders: Path) -> list[RunSpec]:
    return [run.spec for run in resolve(selection, SpecLibrary([builtin_folder(), *folders]), registry)]


def test_quickstart_is_three_rules_times_three_seeds(registry: Registry) -> None:
    specs = specs_of(Selection("quickstart"), registry)
    assert {(s.rule.name, s.seed) for s in specs} == {
        (rule, seed) for rule in ("backprop", "feedback_alignment", "direct_feedback_alignment") for seed in range(3)
    }
    assert len({run_id(s) for s in specs}) == 9


def test_rule_settings_and_tiers_are_laid_over_the_track(registry: Registry, own_specs: Path) -> None:
    chosen = Selection("mine", rules=("backprop", "feedback_alignment"), tier="smoke", seeds=(7,))
    backprop, alignment = specs_of(chosen, registry, own_specs)
    assert backprop.protocol.epochs == alignment.protocol.epochs == 1
    assert backprop.dataset.train_limit == 100
    assert backprop.protocol.optimizer.learning_rate == 0.1
    assert alignment.protocol.optimizer.learning_rate == 0.05
    assert alignment.rule.config == {"distribution": "normal", "standard_deviation": None}
    assert {backprop.seed, alignment.seed} == {7}


def test_a_tiers_rule_settings_are_laid_over_the_tracks_and_stay_in_the_tier(
    registry: Registry, own_specs: Path
) -> None:
    """Catches rates of the published protocol that leak into a tier of other length, and the reverse."""
    path = own_specs / "tracks" / "mine.yaml"
    path.write_text(
        TRACK + "  quick:\n    protocol: {optimizer: {learning_rate: 0.7}}\n  paper:\n    rules:\n"
        "      feedback_alignment: {protocol: {optimizer: {learning_rate: 0.2}}}\n"
        "      backprop: {protocol: {epochs: 9}}\n"
    )
    found = {}
    for tier in ("quick", "paper"):
        chosen = Selection("mine", rules=("backprop", "feedback_alignment"), tier=tier, seeds=(0,))
        for spec in specs_of(chosen, registry, own_specs):
            protocol = spec.protocol
            found[tier, spec.rule.name] = (protocol.optimizer.learning_rate, protocol.epochs)
            assert spec.rule.name == "backprop" or spec.rule.config["distribution"] == "normal"
    assert found == {
        ("quick", "backprop"): (0.7, 4),
        ("quick", "feedback_alignment"): (0.05, 4),
        ("paper", "backprop"): (0.1, 9),
        ("paper", "feedback_alignment"): (0.2, 4),
    }


def test_a_tiers_settings_for_no_rule_are_a_problem_with_its_place(registry: Registry, own_specs: Path) -> None:
    path = own_specs / "tracks" / "mine.yaml"
    path.write_text(TRACK + "  paper:\n    rules:\n      backprob: {protocol: {epochs: 9}}\n")
    (problem,) = check_file(path, SpecLibrary([builtin_folder(), own_specs]), registry)
    assert problem.field == "tiers.paper.rules.backprob"
    assert "did you mean 'backprop'" in problem.message
    assert problem.line == len(TRACK.splitlines()) + 3
    path.write_text(TRACK + "  paper:\n    rules:\n      backprop: {config: {rate: 9}}\n")
    (problem,) = check_file(path, SpecLibrary([builtin_folder(), own_specs]), registry)
    assert problem.field == "rules.backprop.config.rate"


def test_overrides_come_last(registry: Registry, own_specs: Path) -> None:
    chosen = Selection(
        "mine",
        rules=("feedback_alignment",),
        tier="smoke",
        seeds=(0,),
        overrides=(
            "protocol.epochs=9",
            "rules.feedback_alignment.config.distribution=uniform",
            "architecture.layers.0.units=33",
            "hardware.threads=1",
        ),
    )
    (spec,) = specs_of(chosen, registry, own_specs)
    assert spec.protocol.epochs == 9
    assert spec.rule.config["distribution"] == "uniform"
    assert spec.architecture.layers[0].units == 33
    assert spec.hardware.threads == 1


@pytest.mark.parametrize(
    "change",
    [
        "protocol.epochs=5",
        "dataset.split_seed=1",
        "architecture.defaults.bias=false",
        "protocol.loss=squared_error",
        "protocol.loss={kind: one_versus_all_hinge, mu: 0.1}",
        "architecture.defaults.activation={kind: leaky_relu, slope: 0.1}",
        "hardware.compile=default",
    ],
)
def test_whatever_changes_numbers_changes_the_hash(registry: Registry, change: str) -> None:
    one = specs_of(Selection("digits-fc", rules=("backprop",), seeds=(0,)), registry)[0]
    two = specs_of(Selection("digits-fc", rules=("backprop",), seeds=(0,), overrides=(change,)), registry)[0]
    assert spec_hash(one) != spec_hash(two)


@pytest.mark.parametrize(
    "change",
    ["dataset.title=X", "architecture.description=Y", "hardware.hardware_class=Z", "hardware.step=recorded"],
)
def test_prose_and_names_of_machines_do_not_change_the_hash(registry: Registry, change: str) -> None:
    one = specs_of(Selection("digits-fc", rules=("backprop",), seeds=(0,)), registry)[0]
    two = specs_of(Selection("digits-fc", rules=("backprop",), seeds=(0,), overrides=(change,)), registry)[0]
    assert spec_hash(one) == spec_hash(two)


def test_the_hash_survives_a_round_trip_through_json(registry: Registry) -> None:
    """Catches a default or a tuple that does not come back as it went."""
    for spec in specs_of(Selection("quickstart"), registry):
        assert spec_hash(RunSpec.model_validate_json(spec.model_dump_json())) == spec_hash(spec)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("quickstrat"), ["did you mean 'quickstart'?"]),
        (Selection("digits-fc", rules=("fedback_alignment",)), ["--rules", "did you mean 'feedback_alignment'?"]),
        (Selection("digits-fc", overrides=("protocol.epoch=3",)), ["protocol.epoch: unknown", "mean 'epochs'?"]),
        (Selection("digits-fc", overrides=("protocol.learning_rate=1",)), ["mean 'optimizer.learning_rate'?"]),
        (Selection("digits-fc", overrides=("protocol.optimizer.learning_rate=-1",)), ["greater than 0", "found -1"]),
        (Selection("digits-fc", overrides=("architecture.layers=3",)), ["expected a list, found 3"]),
        (Selection("digits-fc", overrides=("dataset=[1]",)), ["one field at a time", "`extends:` and `dataset:`"]),
        (Selection("digits-fc", overrides=("epochs=5",)), ["expected path=value"]),
        (Selection("digits-fc", overrides=("gain=2",)), ["hyperparameter is rules.RULE.config.FIELD=VALUE"]),
        (Selection("digits-fc", overrides=("fa.gain=2",)), ["fa: unknown", "is rules.RULE.config.FIELD=VALUE"]),
        (Selection("my-track"), ["no suite, track or study 'my-track'", "yours need --specs FOLDER"]),
        (
            Selection("digits-fc", overrides=("architecture.defaults.activation=rleu",)),
            ["1 problem", "architecture.defaults.activation: found 'rleu'", "did you mean 'relu'?"],
        ),
        (
            Selection("digits-fc", overrides=("architecture.defaults.activation={kind: tanh, slope: 2}",)),
            ["1 problem", "architecture.defaults.activation.kind: found 'tanh'"],
        ),
        (
            Selection("digits-fc", overrides=("protocol.loss={kind: one_versus_all_hinge}",)),
            ["1 problem", "protocol.loss.mu: required, missing"],
        ),
        (
            Selection("digits-fc", overrides=("protocol.loss=squared",)),
            ["1 problem", "protocol.loss: found 'squared'", "did you mean 'squared_error'?"],
        ),
        (Selection("digits-fc", overrides=("dataset.kind=mnits",)), ["did you mean 'mnist'?"]),
        (Selection("digits-fc", overrides=("protocl.epochs=3",)), ["did you mean 'protocol'?"]),
        (Selection("digits-fc", overrides=("architecture.layers.7.units=3",)), ["no entry '7' in a list of 2"]),
        (Selection("digits-fc", rules=("backprop",), overrides=("rules.backprop.config.x=1",)), ["no hyperparameters"]),
        (Selection("digits-fc", rules=("backprop",), overrides=("rules.nobody.config.x=1",)), ["not among those"]),
        (Selection("digits-fc", overrides=("rules.backprop.protocol.epoch=1",)), ["epoch: unknown", "mean 'epochs'?"]),
        (Selection("digits-fc", overrides=("rules.backprop.protocol.timeout_s=1",)), ["timeout_s", "measured alike"]),
        (Selection("digits-fc", overrides=("rules.backprop.epochs=1",)), ["expected", "protocol.<field>=value"]),
        (Selection("digits-fc", overrides=("hardware.device=gpu",)), ["hardware.device", "found 'gpu'"]),
        (Selection("digits-fc", hardware="cudaa"), ["did you mean 'cuda'?"]),
        (Selection("no/such/file.yaml"), ["no such file"]),
    ],
)
def test_a_wrong_request_is_named_with_the_nearest_right_one(
    registry: Registry, selection: Selection, expected: list[str]
) -> None:
    with pytest.raises(SpecError) as caught:
        specs_of(selection, registry)
    for text in expected:
        assert text in str(caught.value)


def test_all_problems_are_shown_at_once_in_file_order(registry: Registry, own_specs: Path) -> None:
    path = own_specs / "tracks" / "mine.yaml"
    path.write_text(TRACK.replace("epochs: 4", "epoch: 4").replace("0.1}", "-0.1}").replace("normal", "norml"))
    problems = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    messages = [p.message for p in problems]
    assert any("required, missing" in m for m in messages)
    assert any("did you mean 'epochs'?" in m for m in messages)
    assert any("greater than 0" in m for m in messages)
    assert [p.line for p in problems] == sorted(p.line or 0 for p in problems)
    fixed = TRACK.replace("normal", "norml")
    path.write_text(fixed)
    (problem,) = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    assert problem.line == 1 + fixed.splitlines().index("    config: {distribution: norml}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("extends: mine", "is based on itself: mine → mine"),
        ("extends: other", "is based on itself"),
        ("dataset: {extends: nothing}", "no dataset 'nothing'"),
        ("- a\n- b", "expected a mapping"),
        ("name: another\ndataset: digits", "give both the same name"),
        ("dataset: digits\narchitecture: digits-fc", "protocol: required, missing"),
        ("dataset: 3\narchitecture: digits-fc\nprotocol: {epochs: 1}", "expected a mapping, found 3"),
        (TRACK.replace("feedback_alignment:", "fedback_alignment:"), "did you mean 'feedback_alignment'?"),
        (TRACK.replace("smoke", "smoky"), "tiers"),
    ],
)
def test_a_wrong_file_is_told_without_a_traceback(
    registry: Registry, own_specs: Path, content: str, expected: str
) -> None:
    path = own_specs / "tracks" / "mine.yaml"
    path.write_text(content)
    (own_specs / "tracks" / "other.yaml").write_text("extends: mine")
    problems = check_file(path, load_library_for(str(path), [builtin_folder()]), registry)
    assert expected in "\n".join(str(p) for p in problems)


def test_a_part_that_builds_on_another_spec_keeps_nothing_of_the_tracks_base(
    registry: Registry, own_specs: Path
) -> None:
    """Would catch a track of CIFAR-10's that says it is on its JPEG copy, and silently stays on CIFAR-10."""
    (own_specs / "tracks" / "on-jpeg.yaml").write_text(
        "extends: cifar10-simpnet\ndataset: {extends: cifar10-jpeg75, train_limit: 100}\n"
    )
    (spec,) = specs_of(Selection("on-jpeg", rules=("backprop",), seeds=(0,), tier="paper"), registry, own_specs)
    assert (spec.dataset.kind, spec.dataset.train_limit) == ("arrays", 100)
    assert spec.protocol.epochs == 1000


def test_a_name_in_two_folders_is_an_error_not_a_matter_of_order(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "digits-fc.yaml").write_text(TRACK)
    with pytest.raises(SpecError, match="rename one"):
        specs_of(Selection("digits-fc"), registry, tmp_path)


def test_a_pattern_that_matches_nothing_selects_nothing(registry: Registry) -> None:
    with pytest.raises(EmptySelectionError):
        specs_of(Selection("digits-fc", rules=("zz*",)), registry)


def test_every_builtin_spec_is_right(registry: Registry, library: SpecLibrary) -> None:
    files = sorted(builtin_folder().glob("*/*.yaml"))
    assert len(files) > 10
    for path in files:
        assert check_file(path, library, registry) == [], path


def test_a_rules_own_protocol_is_laid_over_everybodys_and_its_command_repeats_it(
    registry: Registry, library: SpecLibrary
) -> None:
    """Catches settings of one rule that reach another, and a record whose command names a rule that it does not run."""
    overrides = (
        "rules.feedback_alignment.protocol.optimizer.learning_rate=0.01",
        "rules.feedback_alignment.config.distribution=normal",
        "protocol.optimizer.learning_rate=0.02",
    )
    rules = ("backprop", "feedback_alignment")
    runs = resolve(Selection("digits-fc", rules=rules, seeds=(0,), overrides=overrides), library, registry)
    rates = {run.spec.rule.name: run.spec.protocol.optimizer.learning_rate for run in runs}
    assert rates == {"backprop": 0.02, "feedback_alignment": 0.01}
    for run in runs:
        words = shlex.split(run.command)
        settings = tuple(words[i + 1] for i, word in enumerate(words) if word == "--set")
        alone = Selection(words[2], rules=(run.spec.rule.name,), tier="quick", seeds=(0,), overrides=settings)
        assert [again.spec for again in resolve(alone, library, registry)] == [run.spec]


def test_the_command_of_a_run_asks_for_that_run_alone(registry: Registry, library: SpecLibrary) -> None:
    """The command in a record must give the same spec again."""
    for run in resolve(Selection("quickstart", overrides=("protocol.epochs=2",)), library, registry):
        words = run.command.split()
        assert words[:2] == ["benchsuite", "run"]
        again = Selection(
            words[2],
            rules=(words[words.index("--rules") + 1],),
            tier=words[words.index("--tier") + 1],
            seeds=(int(words[words.index("--seed") + 1]),),
            overrides=(words[words.index("--set") + 1],),
        )
        (spec,) = (r.spec for r in resolve(again, library, registry))
        assert spec == run.spec
