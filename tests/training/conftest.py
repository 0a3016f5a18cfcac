"""Small runs on synthetic data, by code, and trainers that have begun."""

from ..small_runs import make_run, make_spec, store  # noqa: F401 - fixtures
from .begun_trainers import trainers  # noqa: F401 - a fixture
