"""Oracle: whatever can change what plugins contribute changes the hash that caches are kept under."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchsuite.registry import state


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of distributions with one plugin in it."""
    (tmp_path / "own_plugin_of_a_test").mkdir()
    (tmp_path / "own_plugin_of_a_test" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sysconfig.get_path", lambda which: str(tmp_path))
    points = [EntryPoint("own", "own_plugin_of_a_test.rule", "benchsuite")]
    monkeypatch.setattr(state, "entry_points", lambda group: points)
    return tmp_path


def test_it_stays_while_nothing_changes(folder: Path) -> None:
    assert state.installed_state() == state.installed_state()


def test_it_follows_a_plugins_source(folder: Path) -> None:
    before = state.installed_state()
    (folder / "own_plugin_of_a_test" / "__init__.py").write_text("# changed")
    assert state.installed_state() != before


def test_it_follows_what_is_installed_beside_a_plugin(folder: Path) -> None:
    """Catches a plugin that stays left out after what it lacked has been installed."""
    before = state.installed_state()
    (folder / "a_library_that_it_lacked").mkdir()
    assert state.installed_state() != before


def test_it_imports_no_plugin() -> None:
    """Catches a page that waits for torch only to find that nothing has changed."""
    code = "import sys; from benchsuite.registry.state import installed_state; installed_state();"
    code += "assert not {'torch', 'benchsuite_rules'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
