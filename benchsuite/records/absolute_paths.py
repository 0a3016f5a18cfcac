"""Absolute paths in records: they tell of a machine and its user, and repeat nothing anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.records.selftest import SelftestRecord
from benchsuite.records.study import StudyRecord
from benchsuite.records.timing import TimingRecord
from benchsuite.records.tuning import TuningRecord

NAME = r"""[^\s/'":,;()]"""
"""A character of a name within a path."""

# A slash within a word, an address or a relative path begins no absolute path; two names at least: "/s" is a unit.
ABSOLUTE = re.compile(
    rf"(?<![\w/:.~…-])(?P<posix>/(?:{NAME}+/)+{NAME}*)|(?<!\w)(?P<windows>[A-Za-z]:[\\/]{NAME.replace('/', '')}+)"
)


def absolute_paths(
    record: RunRecord | StudyRecord | TimingRecord | TuningRecord | SelftestRecord,
) -> Iterator[tuple[str, str]]:
    """Yield the field and the first absolute path of each text of a record that has one."""
    for field, text in _texts(record.model_dump(mode="json"), ""):
        found = ABSOLUTE.search(text)
        if found:
            yield field, found[0]


def without_paths(record: RunRecord | StudyRecord | TuningRecord) -> RunRecord | StudyRecord | TuningRecord:
    """Return a record whose free texts name files without their folders; its spec stays as it is.

    The command, the reason, the traceback, remarks and notes change: none of them is part of a hash.
    """
    changes: dict[str, Any] = {"command": shorten_paths(record.command)}
    if isinstance(record, RunRecord):
        changes |= {
            "reason": shorten_paths(record.reason),
            "traceback": record.traceback and shorten_paths(record.traceback),
            "remarks": tuple(map(shorten_paths, record.remarks)),
            "hardware": record.hardware.model_copy(update={"notes": tuple(map(shorten_paths, record.hardware.notes))}),
        }
    return record.model_copy(update=changes)


def shorten_paths(text: str) -> str:
    """Return a text in which absolute paths are replaced by their last name."""

    def name_of(found: re.Match[str]) -> str:
        path = PurePosixPath(found[0]) if found["posix"] else PureWindowsPath(found[0])
        return f"…/{path.name}"

    return ABSOLUTE.sub(name_of, text)


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{place}.{index}")
