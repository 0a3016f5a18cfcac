"""Oracle: records made to fail each check, and only that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from benchsuite.api.frames import rows_of
from benchsuite.records.model import DiagnosticValue, RunRecord
from benchsuite.results.model import RuleRow, ValidityCheck
from benchsuite.results.tables import summarize
from benchsuite.results.validity import Validity, summary_of
from benchsuite.specs.models.validity import ValiditySpec
from benchsuite_leaderboard.site import build_site

from ..factories import make_record

SEGMENTS = ("dense1", "dense2", "readout")
HIDDEN = SEGMENTS[:-1]
Course = Sequence[float | None]
SOUND: Mapping[str, Mapping[str, Course]] = {
    # Logits start near zero and grow as a network learns.
    "activation_norm": dict.fromkeys(HIDDEN, (5.0, 6.0, 8.0)) | {"readout": (0.1, 5.0, 10.0)},
    # Errors, and all credit with them, fall by a factor of 1000: that is learning.
    "credit_norm": dict.fromkeys(SEGMENTS, (1.0, 0.1, 0.001)),
    "weight_norm": dict.fromkeys(SEGMENTS, (4.0, 5.0, 6.0)),
    "reference_example_fraction": dict.fromkeys(HIDDEN, (1.0, 1.0, 0.9)),
    "reference_unit_fraction": dict.fromkeys(HIDDEN, (1.0, 0.8, 0.7)),
    "update_angle_deg": dict.fromkeys(HIDDEN, (90.0, 60.0, 40.0)),
}


def diagnostics(**changed: Mapping[str, Course]) -> list[DiagnosticValue]:
    courses = {name: {**course, **changed.get(name, {})} for name, course in SOUND.items()}
    return [
        DiagnosticValue(diagnostic=name, segment=segment, epoch=epoch, value=value)
        for name, by_segment in courses.items()
        for segment, values in by_segment.items()
        for epoch, value in enumerate(values)
    ]


def runs(rule: str, errors: Sequence[float], **fields: Any) -> list[RunRecord]:
    return [make_record(rule, seed, error, **fields) for seed, error in enumerate(errors)]


READOUT = runs("readout_only", [0.30, 0.31, 0.32, 0.30])
FROZEN = runs("dfa", [0.20, 0.21, 0.19, 0.20], protocol={"frozen": "lower_half"}, variant="DFA, lower half frozen")
ERRORS = [0.10, 0.11, 0.12, 0.10]


def row_of(records: Sequence[RunRecord], validity: Validity | None = None, rule: str = "dfa") -> RuleRow:
    (table,) = summarize(records, validity=validity or Validity())
    of_rule = [(row, row.runs[0].record) for row in table.rows if row.rule == rule]
    return next(row for row, record in of_rule if record and record.spec.protocol.frozen == "none")


def checks(records: Sequence[RunRecord], validity: Validity | None = None) -> dict[str, ValidityCheck]:
    return {check.name: check for check in row_of(records, validity).validity}


def failed(found: Mapping[str, ValidityCheck]) -> dict[str, str]:
    return {name: check.word for name, check in found.items() if check.mark == "failed"}


def test_a_sound_row_passes_every_check():
    found = checks([*runs("dfa", ERRORS, diagnostics=diagnostics()), *READOUT, *FROZEN])
    assert {check.mark for check in found.values()} == {"passed"}
    assert len(found) == 8
    assert summary_of(list(found.values())) == "all passed"
    partly = [*found.values(), replace(next(iter(found.values())), mark="open")]
    assert summary_of(partly) == f"{len(found)} passed, 1 not measured"
    assert found["gain over the readout alone"].number == pytest.approx(0.2, abs=0.01)
    assert found["gain over a frozen lower half"].number == pytest.approx(0.0925)


@pytest.mark.parametrize(
    ("changed", "name", "word"),
    [
        ({"activation_norm": {"dense2": (5.0, 600.0, 8.0)}}, "scale of activations", "unstable activations"),
        ({"activation_norm": {"dense2": (5.0, 1.0, 0.0)}}, "scale of activations", "unstable activations"),
        ({"activation_norm": {"dense1": (5.0, 1.0, None)}}, "scale of activations", "unstable activations"),
        ({"credit_norm": {"dense1": (1.0, 1e-4, 1e-7)}}, "scale of credits", "unstable credits"),
        ({"weight_norm": {"readout": (4.0, 5.0, 41.0)}}, "scale of weights", "unstable weights"),
        (
            {"reference_example_fraction": {"dense1": (1.0, 0.4, 0.6)}},
            "examples with a gradient",
            "few examples with a gradient",
        ),
        (
            {"reference_unit_fraction": {"dense2": (0.9, 0.5, 0.1)}},
            "units with a gradient",
            "few units with a gradient",
        ),
    ],
)
def test_a_row_that_is_made_to_fail_fails_that_check_alone(changed, name, word):
    """Catches a mean over segments, seeds or epochs, in which one dead segment goes under."""
    good, bad = diagnostics(), diagnostics(**changed)
    records = [
        make_record("dfa", seed, error, diagnostics=bad if seed == 1 else good) for seed, error in enumerate(ERRORS)
    ]
    found = checks([*records, *READOUT, *FROZEN])
    assert failed(found) == {name: word}
    segment = next(iter(next(iter(changed.values()))))
    assert f"{segment} after epoch" in found[name].why
    assert "seed 1" in found[name].why


def test_a_run_that_diverged_counts_for_its_scales():
    """Catches a verdict over the runs that happened to complete."""
    bad = diagnostics(weight_norm={"dense1": (4.0, 4e3, None)})
    diverged = make_record("dfa", 3, 0.9, status="diverged", reason="loss is nan", diagnostics=bad)
    found = checks([*runs("dfa", ERRORS[:3], diagnostics=diagnostics()), diverged])
    assert failed(found) == {"scale of weights": "unstable weights"}
    assert found["scale of weights"].number is None


def test_a_rule_that_learns_in_its_last_layer_only_gains_nothing_from_depth():
    """Catches a row whose accuracy is the readout's, ranked as if it assigned credit."""
    shallow = runs("dfa", [0.301, 0.309, 0.321, 0.30], diagnostics=diagnostics())
    found = checks([*shallow, *READOUT, *FROZEN])
    assert failed(found)["gain over the readout alone"] == "no gain from hidden segments"


def test_a_rule_whose_lower_half_may_as_well_be_frozen_is_told_apart():
    upper = runs("dfa", [0.2, 0.21, 0.19, 0.2], diagnostics=diagnostics())
    found = checks([*upper, *READOUT, *FROZEN])
    assert failed(found) == {"gain over a frozen lower half": "no gain from the lower half"}
    assert found["gain over the readout alone"].word == "learns in depth"


def test_without_its_controls_depth_is_not_measured_and_the_command_is_named():
    """Catches a check that passes because there is nothing to compare with, or takes another rule's frozen runs."""
    others = runs("fa", ERRORS, protocol={"frozen": "lower_half"})
    rated = runs("dfa", ERRORS, protocol={"frozen": "lower_half", "optimizer": {"kind": "sgd", "learning_rate": 0.01}})
    found = checks([*runs("dfa", ERRORS), *others, *rated])
    for name, rest in (
        ("readout alone", "readout_only"),
        ("frozen lower half", "dfa --set protocol.frozen=lower_half"),
    ):
        check = next(check for label, check in found.items() if name in label)
        assert check.word == "not measured"
        assert check.why == f"runs that would tell: benchsuite run digits-fc --tier quick --seeds 4 --rules {rest}"
    assert all(check.word == "not measured" and check.number is None for check in found.values())
    assert summary_of(list(found.values())) == "not measured"


def test_the_command_of_a_frozen_control_repeats_the_settings_of_its_row():
    """Catches a command whose runs are no control: of the track's settings in place of a row's own or tuned ones."""
    setting = "--set protocol.batch_size=64 --set 'rules.dfa.config={\"scale\": 2}'"
    own = runs("dfa", ERRORS, protocol={"batch_size": 64}, command=f"benchsuite run digits-fc --seed 0 {setting}")
    why = next(check.why for name, check in checks(own).items() if "frozen" in name)
    assert why.endswith(f"--rules dfa {setting} --set protocol.frozen=lower_half")
    broken = runs("dfa", ERRORS, protocol={"batch_size": 64}, command="benchsuite run 'digits-fc")
    assert any(check.why.endswith("--rules dfa --set protocol.frozen=lower_half") for check in checks(broken).values())


def test_controls_have_no_check_of_depth_of_their_own():
    (table,) = summarize([*runs("dfa", ERRORS), *READOUT, *FROZEN])
    for row in table.rows:
        is_control = row.rule == "readout_only" or bool(row.variant)
        assert any("gain" in check.name for check in row.validity) == (not is_control)


def test_two_seeds_decide_nothing_about_depth():
    found = checks([*runs("dfa", ERRORS[:2]), *READOUT, *FROZEN])
    assert found["gain over the readout alone"].word == "too few seeds"
    assert found["gain over the readout alone"].mark == "open"


@pytest.mark.parametrize(
    ("angles", "claims", "word", "mark"),
    [
        ((0.0, 0.01, 3.0), None, "is backprop", "noted"),
        ((0.0, 0.01, 3.0), True, "is backprop", "noted"),
        ((0.0, 0.01, 3.0), False, "is backprop", "failed"),
        ((0.0, 40.0, 0.0), True, "not backprop as it claims", "failed"),
        ((90.0, 20.0, 1.0), False, "becomes backprop", "noted"),
        ((90.0, 1.0, 20.0), False, "own rule", "passed"),
    ],
)
def test_a_rule_is_backprop_only_if_it_is_so_all_through_training(angles, claims, word, mark):
    """Catches a likeness at one moment taken for the whole, and a claim that nobody looks at."""
    course = diagnostics(update_angle_deg=dict.fromkeys(HIDDEN, angles))
    known = Validity(claims_backprop={} if claims is None else {"dfa": claims})
    check = checks(runs("dfa", ERRORS, diagnostics=course), known)["backprop by another way"]
    assert (check.word, check.mark) == (word, mark)


def test_the_readouts_angle_says_nothing():
    """Catches every rule with an exact readout counted as backprop, or a readout of another kind as its own rule."""
    course = diagnostics(update_angle_deg={"dense1": (0, 0, 0), "dense2": (0, 0, 0), "readout": (80, 80, 80)})
    assert checks(runs("dfa", ERRORS, diagnostics=course))["backprop by another way"].word == "is backprop"


def test_thresholds_are_the_tracks():
    strict = Validity({"digits-fc": ValiditySpec(weight_factor=1.2), "another": ValiditySpec(activation_factor=1.01)})
    assert set(failed(checks(runs("dfa", ERRORS, diagnostics=diagnostics()), strict))) == {"scale of weights"}


def test_angles_over_few_examples_are_noted_and_only_where_there_are_angles():
    few = diagnostics(reference_example_fraction={"dense1": (1.0, 0.4, 0.3)})
    angle = DiagnosticValue(diagnostic="credit_angle_deg", segment="dense1", epoch=2, value=30.0)
    assert not [note for note in row_of(runs("dfa", ERRORS, diagnostics=few)).notes if "angles" in note]
    notes = row_of(runs("dfa", ERRORS, diagnostics=[*few, angle])).notes
    assert "angles of dense1 are over few examples: after epoch 2, 30 % have a gradient" in notes


def test_the_site_and_the_rows_of_records_show_the_verdict(tmp_path):
    """Catches a verdict that is worked out and shown nowhere, and a column of dashes where nothing was measured."""
    bad = diagnostics(weight_norm={"dense1": (4.0, 50.0, 60.0)})
    build_site([*runs("dfa", ERRORS, diagnostics=bad), *READOUT, *FROZEN], tmp_path / "site")
    for page in ("tracks/digits-fc.html", "rules/dfa.html"):
        text = (tmp_path / "site" / page).read_text()
        assert "Did it learn?" in text
        assert '<summary class="failed">unstable weights</summary>' in text
    run = next(path for path in (tmp_path / "site" / "runs").rglob("*.html") if "dfa" in path.read_text())
    assert "weight_norm changed by a factor of 15 in dense1 after epoch 2, seed 0" in run.read_text()
    rows = {row["check"]: row for row in rows_of(runs("dfa", ERRORS[:1], diagnostics=bad), "validity")}
    assert rows["scale of weights"]["word"] == "unstable weights"
    build_site(runs("dfa", ERRORS), tmp_path / "bare")
    assert "Did it learn?</span" not in (tmp_path / "bare" / "tracks/digits-fc.html").read_text()
