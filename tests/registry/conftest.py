"""Small specs, by code."""

from ..small_runs import make_spec  # noqa: F401 - a fixture
