"""Result keys: hashes of everything that can change a result's numbers, and of nothing else.

Separate from the harness, so that a record can be checked on a machine that cannot run anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from benchsuite.records.experiment import RuleUsed
from benchsuite.records.model import Environment, Versions
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


def experiment_result_key(spec_hash: str, rules: Mapping[str, RuleUsed], environment: Versions) -> str:
    """Return the key of an experiment: a hash of spec, rules' sources, and the versions of the suite and of torch."""
    parts = {
        "spec": spec_hash,
        "rules": {name: used.source_hash for name, used in rules.items()},
        "benchsuite": environment.benchsuite,
        "torch": environment.torch,
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
