"""Checked against the run that a track without validation examples gives."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchsuite.errors import SpecError
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.loading.resolve_tuning import resolve_tunings
from benchsuite.specs.loading.tuned_rows import TunedSettings
from benchsuite.specs.models.dataset import DigitsDataset
from benchsuite.specs.models.tuning import RATE


def select(*overrides, **changes):
    return Selection(
        **{"target": "digits-fc", "rules": ("backprop",), "seeds": (0,), "overrides": overrides, **changes}
    )


def test_validation_examples_that_final_runs_learn_change_no_hash(library, registry):
    """Catches stored records that are made again because a data set now says what tuning holds out."""
    ids = [
        run_id(resolve(select(f"dataset.validation={split}"), library, registry)[0].spec)
        for split in ("null", "{examples: 300}", "{examples: 9, seed: 4}", "{examples: 300, final_runs_learn: rest}")
    ]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_a_tuning_holds_out_examples_and_withholds_the_test_set(library, registry):
    """Catches a budget that differs by rule, and trials that measure on test examples."""
    chosen = select("protocol.optimizer.learning_rate=0.5", rules=("backprop", "feedback_alignment"), tier="smoke")
    tunings = resolve_tunings(chosen, library, registry, lambda hardware: hardware, trials=3)
    assert [t.row for t in tunings] == ["backprop", "feedback_alignment"]
    assert len({t.spec.budget for t in tunings}) == 1
    assert all(t.spec.run.holds_out == 300 and not t.spec.run.has_test for t in tunings)
    assert {t.spec.run.protocol.optimizer.learning_rate for t in tunings} == {1e-3}
    assert {t.spec.run.seed for t in tunings} == {1000}


def test_a_track_without_validation_examples_cannot_be_tuned(library, registry):
    """Catches a tuning that falls back on test errors."""
    with pytest.raises(SpecError, match="no validation examples"):
        resolve_tunings(select("dataset.validation=null"), library, registry, lambda hardware: hardware)
    with pytest.raises(ValidationError, match="need validation"):
        DigitsDataset(kind="digits", name="digits", withhold_test=True)


def test_a_control_with_a_frozen_lower_half_has_its_rules_tuned_settings(library, registry):
    """Catches a gain over the lower half that is the gain of another learning rate, and tunings for controls alone."""
    rules = ("feedback_alignment", "feedback-alignment-half-frozen")
    chosen = Selection("core", rules=rules, tier="quick", seeds=(0,))
    tracks = [t.spec.run for t in resolve_tunings(chosen, library, registry, lambda hardware: hardware)]
    assert [run.protocol.frozen for run in tracks if run.track == "core-mnist-deep"] == ["none"]
    alone = Selection("core", rules=rules[1:], tier="quick", seeds=(0,))
    with pytest.raises(SpecError, match="has the tuned settings of feedback_alignment; tune that"):
        resolve_tunings(alone, library, registry, lambda hardware: hardware)

    def find(spec):
        return TunedSettings("ab", "16 trials", {RATE: 0.003}) if spec.run.protocol.frozen == "none" else None

    deep = [r.spec for r in resolve(chosen, library, registry, find_tuned=find) if r.spec.track == "core-mnist-deep"]
    whole, control = sorted(deep, key=lambda spec: spec.protocol.frozen != "none")
    assert control.protocol.frozen == "lower_half"
    assert control.protocol.model_copy(update={"frozen": "none"}) == whole.protocol
    assert (whole.protocol.optimizer.learning_rate, control.rule.tuned_by) == (0.003, "ab")


def test_a_suite_runs_the_tracks_that_were_tuned(library, registry, caplog):
    """Catches a suite of which nothing is run with tuned settings until the last of its tracks is tuned."""
    core = Selection("core", tier="quick", seeds=(0,))

    def find(spec):
        return TunedSettings("ab", "16 trials", {RATE: 0.003}) if spec.run.track == "core-mnist-deep" else None

    runs = [run.spec for run in resolve(core, library, registry, find_tuned=find)]
    assert {run.track for run in runs} == {"core-mnist-deep"}
    assert sum("core-mnist-dense at tier quick" in message for message in caplog.messages) == 1
    with pytest.raises(SpecError, match="no rule has a tuning in the store"):
        resolve(core, library, registry, find_tuned=lambda spec: None)


def test_settings_that_were_searched_with_unequal_effort_are_said_to_be(library, registry, caplog):
    """Catches a gap that is one of trials: backprop with 16 of them beside a rule with two."""
    chosen = Selection("core-mnist-dense", rules=("backprop", "feedback_alignment"), tier="quick", seeds=(0,))

    def find(spec, words=("16 trials", "2 trials")):
        return TunedSettings("ab", words[spec.run.rule.name != "backprop"], {RATE: 0.003})

    resolve(chosen, library, registry, find_tuned=lambda spec: find(spec, ("16 trials", "16 trials")))
    assert not caplog.messages
    resolve(chosen, library, registry, find_tuned=find)
    (message,) = caplog.messages
    assert "(backprop: 16 trials; feedback_alignment: 2 trials)" in message
