"""Result keys: hashes of everything that can change a result's numbers, and of nothing else.

Separate from the harness, so that a record can be checked on a machine that cannot run anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from benchsuite.records.model import Environment, Versions
from benchsuite.records.study import CodeUsed
from benchsuite.specs.hashing import canonical_json


def run_result_key(spec_hash: str, environment: Environment, fingerprint: str) -> str:
    """Return the key of a run: a hash of spec, data, code of plugins, and the versions of the suite and of torch."""
    parts: dict[str, Any] = {
        "spec": spec_hash,
        "rule": environment.rule_source_hash,
        "data": fingerprint,
        "benchsuite": environment.benchsuite,
        "torch": environment.torch,
    }
    if environment.plugin_source_hashes:  # left out if empty: keys of runs without other plugins stay as they were
        parts["plugins"] = environment.plugin_source_hashes
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def study_result_key(
    spec_hash: str, rules: Mapping[str, CodeUsed], code: CodeUsed | None, environment: Versions
) -> str:
    """Return the key of a study: a hash of spec, sources of rules and plugin, and versions of suite and torch."""
    parts: dict[str, Any] = {
        "spec": spec_hash,
        "rules": {name: used.source_hash for name, used in rules.items()},
        "benchsuite": environment.benchsuite,
        "torch": environment.torch,
    }
    if code is not None:
        # The version too: a study's numbers may come from other modules than the one that is hashed.
        parts["study"] = [code.distribution, code.source_hash]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
