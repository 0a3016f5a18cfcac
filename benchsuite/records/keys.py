"""Result keys: hashes over everything that can change a result's numbers, and nothing else.

Kept apart from the harness that makes results, so that a record can be checked where nothing can be run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from benchsuite.records.experiment import RuleUsed
from benchsuite.records.model import Environment, Versions
from benchsuite.specs.hashing import canonical_json


def run_result_key(spec_hash: str, environment: Environment, fingerprint: str) -> str:
    """Return a run's key: spec, rule's source, data, and the versions of the suite and of torch."""
    parts = {
        "spec": spec_hash,
        "rule": environment.rule_source_hash,
        "data": fingerprint,
        "benchsuite": environment.benchsuite,
        "torch": environment.torch,
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def experiment_result_key(spec_hash: str, rules: Mapping[str, RuleUsed], environment: Versions) -> str:
    """Return an experiment's key: spec, rules' sources, and the versions of the suite and of torch."""
    parts = {
        "spec": spec_hash,
        "rules": {name: used.source_hash for name, used in rules.items()},
        "benchsuite": environment.benchsuite,
        "torch": environment.torch,
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
