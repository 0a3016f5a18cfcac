"""Read one record from one file, which is untrusted input.

A file is limited in size and nesting, must be a plain file and contains only data (no pickle, no tags); no path in it
is followed. Problems are returned as a description and never raised, so that one bad file does not affect the others.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from benchsuite.records.audit import RuleAudit
from benchsuite.records.migration import AUDIT_STEPS, RUN_STEPS, STUDY_STEPS, Steps, migrate
from benchsuite.records.model import RecordModel, RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.specs.hashing import canonical_json
from benchsuite.version import AUDIT_SCHEMA_VERSION, RECORD_SCHEMA_VERSION, STUDY_SCHEMA_VERSION

# The longest planned runs (ImageNet, 90 epochs, 50 segments, several diagnostics) need less than a tenth of this.
MAX_RECORD_BYTES = 32 * 1024 * 1024

MAX_DEPTH = 40
"""Nesting of lists and mappings; today's records have 8 levels, the rest is for settings of rules and plugins."""

# Possessive, and the end of the file counts as a closing quote: the time is linear in the input, whatever it is.
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
BRACKETS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_JSON = re.compile(rb"NaN|Infinity")

Document = TypeVar("Document", bound=RecordModel)


@dataclass(frozen=True)
class BrokenRecord:
    """A file that should contain a record and does not."""

    path: Path
    reason: str


def read_record(path: Path) -> RunRecord | BrokenRecord:
    """Read the record of a run; a file that is too large, not JSON or not a record gives a ``BrokenRecord``."""
    return _read(path, RunRecord, RECORD_SCHEMA_VERSION, RUN_STEPS)


def read_study(path: Path) -> StudyRecord | BrokenRecord:
    """Read the record of a study; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, StudyRecord, STUDY_SCHEMA_VERSION, STUDY_STEPS)


def read_audit(path: Path) -> RuleAudit | BrokenRecord:
    """Read the audit of one rule; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, RuleAudit, AUDIT_SCHEMA_VERSION, AUDIT_STEPS)


def read_document(path: Path) -> RunRecord | StudyRecord | BrokenRecord:
    """Read a record of a run or a study, recognized by its fields; problems as in ``read_record``."""
    try:
        content = from_json(_checked_bytes(path))
    except (OSError, ValueError) as error:
        return BrokenRecord(path, _first_problem(error))
    is_study = isinstance(content, dict) and not {"study_id", "experiment_id"}.isdisjoint(content)
    return read_study(path) if is_study else read_record(path)


def record_text(record: RunRecord | StudyRecord | RuleAudit) -> str:
    """Return the file content of a record or an audit."""
    return record.model_dump_json(indent=1) + "\n"


def _read(path: Path, model: type[Document], newest: int, steps: Steps) -> Document | BrokenRecord:
    try:
        data = _checked_bytes(path)
        try:
            return model.model_validate_json(data)
        except ValidationError:
            content = from_json(data)
            if not isinstance(content, dict) or content.get("schema_version", newest) == newest:
                raise
            return model.model_validate_json(canonical_json(migrate(content, newest, steps)))
    except (OSError, ValueError, RecursionError) as error:
        return BrokenRecord(path, _first_problem(error))


def _checked_bytes(path: Path) -> bytes:
    """Return a file's content; raises OSError, or ValueError if it is larger or nested deeper than a record may be."""
    # Checked before the file is opened: opening a named pipe would block forever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a plain file")
    with path.open("rb") as stream:
        data = stream.read(MAX_RECORD_BYTES + 1)
    if len(data) > MAX_RECORD_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes; records have at most {MAX_RECORD_BYTES}")
    bare = STRINGS.sub(b"", data)
    if NO_JSON.search(bare):
        raise ValueError("NaN or Infinity, which JSON does not have")
    depth = max(accumulate(BRACKETS.get(character, 0) for character in bare.translate(None, NO_BRACKETS)), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"nested {depth} deep; records are at most {MAX_DEPTH}")
    return data


NO_BRACKETS = bytes(character for character in range(256) if character not in BRACKETS)


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(p) for p in first["loc"]) or "document"
        return f"{field}: {first['msg']} ({error.error_count()} problems in all)"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)[:200]
