"""Checked against the order of precedence that the guide promises."""

from pathlib import Path

import pytest

from benchsuite.data.roots import find_data_root, is_offline, resolve_in_root


def test_an_explicit_root_wins_over_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHSUITE_DATA", "/elsewhere")
    assert find_data_root(tmp_path) == tmp_path


def test_the_environment_wins_over_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHSUITE_DATA", str(tmp_path))
    assert find_data_root() == tmp_path


def test_without_settings_the_root_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / name)
    assert find_data_root() == tmp_path / "benchsuite" / "data"


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_data_root("~/d") == tmp_path / "d"


def test_a_relative_path_of_a_spec_starts_at_the_root_and_an_absolute_one_stays(tmp_path):
    assert resolve_in_root("a/b.npz", tmp_path) == tmp_path / "a" / "b.npz"
    assert resolve_in_root("/a/b.npz", tmp_path) == Path("/a/b.npz")


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("yes", True), ("0", False), ("", False), ("False", False)]
)
def test_offline_is_anything_but_no(monkeypatch, value, offline):
    monkeypatch.setenv("BENCHSUITE_OFFLINE", value)
    assert is_offline() is offline
