"""Fixtures that hand the factories to tests: with importlib mode a test module cannot import its neighbours."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("leaderboard_factories", Path(__file__).with_name("factories.py"))
assert _spec is not None
assert _spec.loader is not None
_factories = importlib.util.module_from_spec(_spec)
sys.modules["leaderboard_factories"] = _factories
_spec.loader.exec_module(_factories)


@pytest.fixture(scope="session")
def make_record():
    return _factories.make_record


@pytest.fixture(scope="session")
def make_seeds():
    return _factories.make_seeds


@pytest.fixture(scope="session")
def make_angles():
    return _factories.make_angles


@pytest.fixture(scope="session")
def make_experiment():
    return _factories.make_experiment
