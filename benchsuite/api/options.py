"""Types and meanings of arguments that several functions of the library share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.models.base import Tier

__all__ = [
    "DEFAULT_STORE",
    "PathLike",
    "Paths",
    "Rules",
    "Seeds",
    "Settings",
    "Tier",
    "as_paths",
    "make_selection",
    "named_tracking_uri",
    "rule_names",
    "store_folder",
]

PathLike = str | os.PathLike[str]
"""A file or folder."""

Paths = PathLike | Iterable[PathLike] | None
"""One file or folder, or several, or none."""

Rules = str | Iterable[str] | None
"""Names or patterns of rules, in a list or separated by commas."""

Seeds = int | Iterable[int] | None
"""Number of seeds, counted from index 0, or a list of seed indices."""

Settings = Mapping[str, Any] | Iterable[str] | None
"""Overrides: ``{"protocol.epochs": 5}``, or texts as the command takes them, ``["protocol.epochs=5"]``."""

STORE_VARIABLE = "BENCHSUITE_STORE"
TRACKING_VARIABLE = "BENCHSUITE_TRACKING_URI"
DEFAULT_STORE = Path("benchsuite-store")


def as_paths(given: Paths) -> list[Path]:
    """Return one path or several as a list."""
    if given is None:
        return []
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(path) for path in given]


def store_folder(given: PathLike | None) -> Path:
    """Return the folder of records: the one given, else ``$BENCHSUITE_STORE``, else ``benchsuite-store``."""
    return Path(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)


def named_tracking_uri(given: str | None) -> str | None:
    """Return the address of MLflow's store as given, else ``$BENCHSUITE_TRACKING_URI``; None if neither is set."""
    return given or os.environ.get(TRACKING_VARIABLE) or None


def make_selection(
    target: PathLike,
    rules: Rules = None,
    seeds: Seeds = None,
    tier: Tier | None = None,
    settings: Settings = None,
    hardware: PathLike = "auto",
) -> Selection:
    """Return the selection that the arguments of ``plan`` and ``run`` describe.

    Raises:
        SpecError: if a seed or a setting has an invalid value.

    """
    return Selection(
        target=os.fspath(target),
        rules=rule_names(rules),
        tier=tier,
        seeds=_seed_indices(seeds),
        overrides=_override_texts(settings),
        hardware=os.fspath(hardware),
    )


def rule_names(rules: Rules) -> tuple[str, ...]:
    """Return names or patterns of rules as a tuple; empty if none are given."""
    if rules is None:
        return ()
    names = rules.split(",") if isinstance(rules, str) else rules
    return tuple(name.strip() for name in names if name.strip())


def _seed_indices(seeds: Seeds) -> tuple[int, ...]:
    if seeds is None:
        return ()
    indices = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not indices or min(indices) < 0:
        message = (
            f"expected a number of seeds (at least 1) or a list of seed indices (each at least 0), found {seeds!r}"
        )
        raise SpecError([Problem(message, field="seeds")])
    return indices


def require_a_job(jobs: int) -> None:
    """Raise SpecError if the number of jobs is below 1."""
    if jobs < 1:
        raise SpecError([Problem(f"expected at least 1, found {jobs}", field="jobs")])


def _override_texts(settings: Settings) -> tuple[str, ...]:
    if settings is None:
        return ()
    if isinstance(settings, str):
        return (settings,)
    if not isinstance(settings, Mapping):
        return tuple(settings)
    texts = []
    for path, value in settings.items():
        try:
            # JSON is YAML too, which is what the command's --set takes.
            texts.append(f"{path}={json.dumps(value, allow_nan=False)}")
        except (TypeError, ValueError) as error:
            message = f"expected numbers, strings, lists and mappings, found {value!r}"
            raise SpecError([Problem(message, field=path)]) from error
    return tuple(texts)
