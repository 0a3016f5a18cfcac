"""The identity of a run or a study: a hash over the canonical JSON of everything explicit in its spec."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from benchsuite.specs.models.base import strip_documentation
from benchsuite.specs.models.study import StudySpec
from benchsuite.specs.models.track import RunSpec

# What the machine is called and how much memory it must have cannot change a number.
HASHED_HARDWARE_FIELDS = frozenset(
    {"device", "precision", "threads", "world_size", "synchronized_batch_norm", "memory_format", "compile"}
)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal data gives equal text.

    Raises:
        ValueError: on NaN or infinity, which JSON does not have.

    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(text: str) -> str:
    """Return the sha256 of a text; 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def spec_hash(spec: RunSpec) -> str:
    """Return the sha256 of what can change a run's numbers, as canonical JSON; 64 hexadecimal digits.

    Left out: titles, descriptions and sources; the hardware's name, class and memory.
    """
    plain = strip_documentation(spec.model_dump(mode="json"))
    plain["hardware"] = {k: v for k, v in plain["hardware"].items() if k in HASHED_HARDWARE_FIELDS}
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()


def run_id(spec: RunSpec) -> str:
    """Return the start of the spec's hash: what names a run in files, MLflow and on the board."""
    return id_of_hash(spec_hash(spec))


def id_of_hash(whole: str) -> str:
    """Return the short name that goes with a spec's whole hash, its first 16 digits."""
    return whole[:16]


def study_hash(spec: StudySpec) -> str:
    """Return the sha256 of what can change a study's numbers; titles, descriptions and sources cannot."""
    return hashlib.sha256(canonical_json(strip_documentation(spec.model_dump(mode="json"))).encode()).hexdigest()


def study_id(spec: StudySpec) -> str:
    """Return the first 16 digits of the study's hash: what names it in files and on the board."""
    return id_of_hash(study_hash(spec))
