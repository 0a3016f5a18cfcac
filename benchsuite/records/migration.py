"""Migrate records from older schema versions to the current one.

A change of layout raises the schema version in ``benchsuite.version`` and adds one step here, from the version before.
Steps are never removed: a record is never edited, so an old file is migrated each time it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
"""A record as plain JSON data."""

Steps = Mapping[int, Callable[[Document], Document]]
"""By version: the function that converts a document of that version to the next version."""


def _rename_least_hidden(audit: Document) -> Document:
    """Rename ``needs.least_hidden`` of an audit to ``min_hidden_segments``."""
    needs = audit.get("needs")
    if not isinstance(needs, dict) or "least_hidden" not in needs:
        return audit
    renamed = {"min_hidden_segments" if name == "least_hidden" else name: value for name, value in needs.items()}
    return audit | {"needs": renamed}


def _rename_claims(audit: Document) -> Document:
    """Rename an audit's ``claims`` to ``traits``; of each, ``claim`` to ``trait`` and ``claimed`` to ``declared``."""
    claims = audit.get("claims")
    if not isinstance(claims, list):
        return audit
    names = {"claim": "trait", "claimed": "declared"}
    traits = [
        {names.get(name, name): value for name, value in each.items()} if isinstance(each, dict) else each
        for each in claims
    ]
    return {name: value for name, value in audit.items() if name != "claims"} | {"traits": traits}


def _separate_result(study: Document) -> Document:
    """Turn the record of an experiment into that of a study: collect what depends on its kind in ``result``."""
    names = {"experiment_id": "study_id"}
    result = {name: study[name] for name in ("iterations", "trajectories") if name in study}
    return {names.get(name, name): value for name, value in study.items() if name not in result} | {"result": result}


RUN_STEPS: Steps = {}
"""Steps for runs; version 1 is the first."""

STUDY_STEPS: Steps = {1: _separate_result}
"""Steps for studies; version 1, in which a study was called an experiment, is the first."""

TUNING_STEPS: Steps = {}
"""Steps for tunings; version 1 is the first."""

AUDIT_STEPS: Steps = {1: _rename_least_hidden, 2: _rename_claims}
"""Steps for audits; version 1 is the first."""


TIMING_STEPS: Steps = {}
"""Steps for timings; version 1 is the first."""

SELFTEST_STEPS: Steps = {}
"""Steps for self-tests; version 1 is the first."""


def migrate(document: Document, newest: int, steps: Steps) -> Document:
    """Return a document of an older version, converted to the newest one.

    Args:
        document: the content of a file; not modified.
        newest: the version to reach.
        steps: one per version on the way.

    Raises:
        ValueError: if it has no version, a newer version, or a version without a step to the next.

    """
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError("schema_version: expected a whole number")
    if version > newest:
        raise ValueError(f"schema_version: {version}; this benchsuite reads up to {newest}; install a newer one")
    while version < newest:
        if version not in steps:
            raise ValueError(f"schema_version: {version}; no migration is known from it to {newest}")
        document = {**steps[version](dict(document)), "schema_version": version + 1}
        version += 1
    return document
