"""Read one record from one file, which is untrusted input.

A file is limited in size and nesting, must be a plain file and contains only data (no pickle, no tags); no path in it
is followed. Types are strict: ``true`` or ``"-9999"`` is no number. Problems are returned as a description and never
raised, so that one bad file does not affect the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from benchsuite.records.audit import RuleAudit
from benchsuite.records.migration import (
    AUDIT_STEPS,
    RUN_STEPS,
    SELFTEST_STEPS,
    STUDY_STEPS,
    TIMING_STEPS,
    TUNING_STEPS,
    Steps,
    migrate,
)
from benchsuite.records.model import RecordModel, RunRecord
from benchsuite.records.selftest import SelftestRecord
from benchsuite.records.study import StudyRecord
from benchsuite.records.timing import TimingRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.hashing import canonical_json
from benchsuite.version import (
    AUDIT_SCHEMA_VERSION,
    RECORD_SCHEMA_VERSION,
    SELFTEST_SCHEMA_VERSION,
    STUDY_SCHEMA_VERSION,
    TIMING_SCHEMA_VERSION,
    TUNING_SCHEMA_VERSION,
)

# The longest planned runs (ImageNet, 90 epochs, 50 segments, several diagnostics) need less than a tenth of this.
MAX_RECORD_BYTES = 32 * 1024 * 1024

MAX_DEPTH = 40
"""Nesting of lists and mappings; today's records have 8 levels, the rest is for settings of rules and plugins."""

DEEP = b"\n" + b" " * MAX_DEPTH
"""Found in a record's text, as the suite writes it, if it is nested as deep as it may be, or deeper."""

# Possessive, and the end of the file counts as a closing quote: the time is linear in the input, whatever it is.
STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
BRACKETS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_JSON = (b"NaN", b"Infinity")

Document = TypeVar("Document", bound=RecordModel)


MODELS: Mapping[str, type[RecordModel]] = MappingProxyType(
    {
        "record": RunRecord,
        "study_record": StudyRecord,
        "tuning_record": TuningRecord,
        "rule_audit": RuleAudit,
        "timing": TimingRecord,
        "selftest": SelftestRecord,
    }
)
"""The model of each kind of record, by the name of its JSON Schema."""


@dataclass(frozen=True)
class BrokenRecord:
    """A file that should contain a record and does not."""

    path: Path
    reason: str


def read_record(path: Path) -> RunRecord | BrokenRecord:
    """Read the record of a run; a file that is too large, not JSON or not a record gives a ``BrokenRecord``."""
    return _read(path, RunRecord, RECORD_SCHEMA_VERSION, RUN_STEPS)


def read_record_and_text(path: Path) -> tuple[RunRecord | BrokenRecord, str]:
    """Return the record of a run, and the file's text if that is what ``record_text`` returns, else an empty text."""
    record, written = _read_with_content(path, RunRecord, RECORD_SCHEMA_VERSION, RUN_STEPS)
    return record, written.decode()


def read_checked_record(path: Path) -> RunRecord | BrokenRecord:
    """Read a record that was good before, from a file that has not changed since: half of the time of a new one."""
    try:
        return RunRecord.model_validate_json(_content(path))
    except (OSError, ValueError):  # it has changed after all, or is of an earlier layout
        return read_record(path)


def read_study(path: Path) -> StudyRecord | BrokenRecord:
    """Read the record of a study; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, StudyRecord, STUDY_SCHEMA_VERSION, STUDY_STEPS)


def read_audit(path: Path) -> RuleAudit | BrokenRecord:
    """Read the audit of one rule; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, RuleAudit, AUDIT_SCHEMA_VERSION, AUDIT_STEPS)


def read_timing(path: Path) -> TimingRecord | BrokenRecord:
    """Read the record of a timing; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, TimingRecord, TIMING_SCHEMA_VERSION, TIMING_STEPS)


def read_tuning(path: Path) -> TuningRecord | BrokenRecord:
    """Read the record of a tuning; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, TuningRecord, TUNING_SCHEMA_VERSION, TUNING_STEPS)


def read_selftest(path: Path) -> SelftestRecord | BrokenRecord:
    """Read the record of a self-test; problems give a ``BrokenRecord`` as in ``read_record``."""
    return _read(path, SelftestRecord, SELFTEST_SCHEMA_VERSION, SELFTEST_STEPS)


def is_tuning(path: Path) -> bool:
    """Return True if a file says at its start that it is the record of a tuning."""
    return _starts_with(path, b'"tuning_id"')


def is_selftest(path: Path) -> bool:
    """Return True if a file says at its start that it is the record of a self-test."""
    return _starts_with(path, b'"selftest_id"')


def _starts_with(path: Path, field: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return field in stream.read(512)
    except OSError:
        return False


def read_document(path: Path) -> RunRecord | StudyRecord | TuningRecord | BrokenRecord:
    """Read a record of a run, a study or a tuning, recognized by its fields; problems as in ``read_record``."""
    try:
        content = _checked(_content(path))
    except (OSError, ValueError) as error:
        return BrokenRecord(path, _first_problem(error))
    if isinstance(content, dict) and "tuning_id" in content:
        return read_tuning(path)
    is_study = isinstance(content, dict) and not {"study_id", "experiment_id"}.isdisjoint(content)
    return read_study(path) if is_study else read_record(path)


def record_text(record: RunRecord | StudyRecord | TuningRecord | RuleAudit | TimingRecord | SelftestRecord) -> str:
    """Return the file content of a record or an audit."""
    return record.model_dump_json(indent=1) + "\n"


def _read(path: Path, model: type[Document], newest: int, steps: Steps) -> Document | BrokenRecord:
    return _read_with_content(path, model, newest, steps)[0]


def _read_with_content(
    path: Path, model: type[Document], newest: int, steps: Steps
) -> tuple[Document | BrokenRecord, bytes]:
    """Return a file's record, and its content if that is byte by byte what the suite writes, else nothing."""
    try:
        data = _content(path)
        as_written = _as_written(data, model)
        if as_written is not None:
            return as_written, data
        content = _checked(data)
        if isinstance(content, dict) and content.get("schema_version", newest) != newest:
            content = migrate(content, newest, steps)
            data = canonical_json(content).encode()
        record = model.model_validate_json(data)
        _require_types(content, from_json(record.model_dump_json()), "")
    except (OSError, ValueError, RecursionError) as error:
        return BrokenRecord(path, _first_problem(error)), b""
    return record, b""


def _as_written(data: bytes, model: type[Document]) -> Document | None:
    """Return the record if the file is what ``record_text`` writes of it, byte by byte, which leaves nothing to check.

    Such a text has each key once, no number that is not finite, and every value in its field's type; its indentation
    tells how deep it is nested.
    """
    try:
        record = model.model_validate_json(data)
    except ValidationError:
        return None
    text = f"{record.model_dump_json(indent=1)}\n"
    return record if text.encode("utf-8", "backslashreplace") == data and DEEP not in data else None


def _content(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a plain file, or larger than a record may be.

    """
    # Checked before the file is opened: opening a named pipe would block forever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a plain file")
    with path.open("rb") as stream:
        # Not up to the limit at once: Python would set aside that much memory for each file.
        data = stream.read(min(os.fstat(stream.fileno()).st_size, MAX_RECORD_BYTES) + 1)
    if len(data) > MAX_RECORD_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes; records have at most {MAX_RECORD_BYTES}")
    return data


def _checked(data: bytes) -> Any:
    """Return a file's content as plain data.

    Raises:
        ValueError: if it is no JSON, or nested deeper than a record may be, or has a key twice.

    """
    bare = STRINGS.sub(b"", data)
    if any(word in bare for word in NO_JSON):
        raise ValueError("NaN or Infinity, which JSON does not have")
    depth = _depth(bare.translate(None, NO_BRACKETS))
    if depth > MAX_DEPTH:
        raise ValueError(f"nested {depth} deep; records are at most {MAX_DEPTH}")
    with contextlib.suppress(ValueError):
        # A third of the time of the line below, which names what is wrong. Each key has one colon outside strings.
        content = from_json(data)
        if _keys(content) == bare.count(b":"):
            return content
    return json.loads(data.decode("utf-8"), object_pairs_hook=_once_each)


def _keys(value: Any) -> int:
    """Return the number of keys of all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(member) for member in value.values() if type(member) not in SCALARS)
    if isinstance(value, list):
        return sum(_keys(member) for member in value if type(member) not in SCALARS)
    return 0


def _depth(brackets: bytes) -> int:
    """Return how deep brackets are nested, or 0 for any depth that is certainly allowed."""
    # Each pass removes one or two of the innermost levels; character by character takes ten times as long.
    left = brackets
    for _ in range(MAX_DEPTH // 2):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            return 0
    return max(accumulate(BRACKETS[character] for character in brackets), default=0)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise ValueError if it has a key twice: readers would differ in the value that they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice[:40]!r} twice in one object")
    return found


def _require_types(written: Any, read: Any, place: str) -> None:
    """Raise ValueError where a value was converted on reading, as ``true`` and ``"-9999"`` are to numbers.

    pydantic's strict mode cannot be used: it refuses a list that one of the specs' validators has looked at.
    """
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            if key in read and (type(value) not in SCALARS or type(value) is not type(read[key])):
                _require_types(value, read[key], f"{place}.{key}" if place else key)
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for index, (one, other) in enumerate(zip(written, read, strict=True)):
            if type(one) not in SCALARS or type(one) is not type(other):
                _require_types(one, other, f"{place}.{index}")
    elif _json_type(written) != _json_type(read):
        raise ValueError(f"{place}: expected {_json_type(read)}, found {_json_type(written)}")


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case None:
            return "null"
    return "a list" if isinstance(value, list) else "an object"


SCALARS = frozenset({bool, int, float, str, type(None)})
"""Types of JSON's plain values: two of one of these need no closer look."""

NO_BRACKETS = bytes(character for character in range(256) if character not in BRACKETS)


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(p) for p in first["loc"]) or "document"
        return f"{field}: {first['msg']} ({error.error_count()} problems in all)"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)[:200]
