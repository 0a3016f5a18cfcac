"""Small runs on synthetic data, by code."""

from ..small_runs import make_run, make_spec, store  # noqa: F401 - fixtures
