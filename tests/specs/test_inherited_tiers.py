"""Oracle: what the runs of a track are, tier by tier, beside what its file says."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchsuite as bs
from benchsuite.cli.main import run_command
from benchsuite.specs.loading.inherited_tiers import inherited_tier_warnings
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """Return a track that asks for 10 epochs and gets 3 at smoke and 100 at paper, from digits-fc's tiers."""
    path = tmp_path / "tracks" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("extends: digits-fc\nprotocol: {epochs: 10}\n")
    return path


def warned(path: Path) -> list[str]:
    return list(map(str, inherited_tier_warnings(path, SpecLibrary([builtin_folder(), path.parents[1]]))))


def test_a_field_that_inherited_tiers_override_is_said_with_place_tier_and_values(track: Path) -> None:
    """Catches runs of 3 and of 100 epochs under a file that says 10, without a word."""
    smoke, paper = warned(track)
    assert f"{track}:2:20 protocol.epochs: 10 here, but 3 at the smoke tier" in smoke
    assert "digits-fc.yaml:15:24" in smoke
    assert "say tiers.smoke.protocol.epochs in this file too" in smoke
    assert "10 here, but 100 at the paper tier" in paper


def test_what_the_file_says_itself_for_a_tier_is_no_surprise(track: Path) -> None:
    track.write_text(track.read_text() + "tiers: {smoke: {protocol: {epochs: 3}}, paper: {protocol: {epochs: 10}}}\n")
    assert warned(track) == []


def test_an_equal_value_is_no_surprise(track: Path) -> None:
    track.write_text("extends: digits-fc\nprotocol: {epochs: 100}\ntiers: {smoke: {protocol: {epochs: 3}}}\n")
    assert warned(track) == []


def test_settings_of_a_rule_are_looked_at_too(track: Path) -> None:
    """Catches a rate for one rule that an inherited tier replaces: rows would be tuned otherwise than they say."""
    base = track.with_name("base.yaml")
    base.write_text(
        "extends: digits-fc\ntiers: {quick: {rules: {backprop: {protocol: {optimizer: {learning_rate: 0.1}}}}}}\n"
    )
    track.write_text("extends: base\nrules: {backprop: {protocol: {optimizer: {learning_rate: 0.2}}}}\n")
    (warning,) = warned(track)
    assert "rules.backprop.protocol.optimizer.learning_rate: 0.2 here, but 0.1 at the quick tier" in warning


def test_no_built_in_track_surprises() -> None:
    library = SpecLibrary([builtin_folder()])
    found = {entry.name: inherited_tier_warnings(entry.path, library) for entry in library.entries("tracks")}
    assert {name: list(map(str, each)) for name, each in found.items() if each} == {}


def test_validate_warns_and_calls_the_file_right(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["validate", str(track)]) == 0
    told = capsys.readouterr()
    assert "right" in told.out
    assert told.err.count("warning: ") == 2


def test_plan_warns_of_the_tier_that_it_plans(track: Path) -> None:
    (warning,) = bs.plan(track, rules="backprop", seeds=1, tier="paper").warnings
    assert "100 at the paper tier" in warning
    assert bs.plan(track, rules="backprop", seeds=1, tier="quick").warnings == ()
