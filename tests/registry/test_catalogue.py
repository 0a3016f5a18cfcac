"""Oracle: the registry of the installed plugins, loaded now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchsuite.errors import SpecError
from benchsuite.registry import catalogue, manager
from benchsuite.registry.catalogue import describe, keep_catalogue, stored_catalogue


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stored_file() -> Path:
    """Return the one stored file."""
    (found,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.json")
    return found


def test_the_stored_catalogue_says_what_the_registry_says() -> None:
    """Catches a trait, a default or an origin that is shown differently the second time."""
    keep_catalogue()
    stored, live = stored_catalogue(), describe(manager.installed_registry())
    assert stored is not None
    for part in ("plugins", "rules", "diagnostics", "origins", "spec_folders", "failures", "conflicts"):
        assert getattr(stored, part) == getattr(live, part), part
    assert list(stored.rules) == list(live.rules)


def test_it_is_not_used_after_a_file_of_a_plugin_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches `info` that shows the hyperparameters a rule had before it was edited."""
    source = tmp_path / "rule.py"
    source.write_text("old")
    monkeypatch.setattr(catalogue, "_imported_files", lambda: {str(source): catalogue._stamp(str(source))})
    keep_catalogue()
    assert stored_catalogue() is not None
    source.write_text("newer")
    assert stored_catalogue() is None
    source.unlink()
    assert stored_catalogue() is None


def test_the_files_of_built_in_rules_count() -> None:
    """Catches a filter of modules that leaves out what is most often edited."""
    keep_catalogue()
    stored = stored_catalogue()
    assert stored is not None
    names = {Path(file).name for file in stored.files}
    assert {"gevb.py", "rule.py", "study.py"} <= names


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', '{"files": {"/": 1}}', "[" * 100_000])
def test_a_damaged_file_is_ignored_and_replaced(text: str) -> None:
    keep_catalogue()
    stored_file().write_text(text)
    assert stored_catalogue() is None
    keep_catalogue()
    assert stored_catalogue() is not None


def test_a_plugin_that_is_left_out_is_tried_again_by_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a plugin that stays broken on paper after what it lacked was installed."""
    origin = next(iter(manager.installed_registry().plugins.values()))
    broken = manager.build_registry([])
    broken.failures.append(manager.PluginFailure(origin, "no module named 'other'"))
    monkeypatch.setattr(manager, "installed_registry", lambda: broken)
    keep_catalogue()
    assert stored_catalogue() is None


def test_settings_are_validated_by_the_rule_once_and_then_remembered() -> None:
    """Catches defaults that are not the rule's, and a caller that changes what the next one gets."""
    keep_catalogue()
    first = stored_catalogue()
    assert first is not None
    registry = manager.installed_registry()
    expected = registry.rule_config("feedback_alignment", {})
    assert first.rule_config("feedback_alignment", {}) == expected
    first.rule_config("feedback_alignment", {})["extra"] = 1
    with pytest.raises(SpecError, match="unknown"):
        first.rule_config("feedback_alignment", {"extra": 1})
    first.store()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manager, "installed_registry", lambda: pytest.fail("plugins were loaded"))
        again = stored_catalogue()
        assert again is not None
        assert again.rule_config("feedback_alignment", {}) == expected


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    keep_catalogue()
    assert stored_catalogue() is None
