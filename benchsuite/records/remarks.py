"""Remarks on rows that surprise: written by people in YAML beside the records, shown with the rows.

A record holds what was measured; a remark says what somebody found who looked into it: a fault, the protocol, luck.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from benchsuite.errors import Problem, SpecError
from benchsuite.records.reading import BrokenRecord
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.tree import Node, read
from benchsuite.specs.models.base import Name, Tier


class Remark(BaseModel):
    """Remark on the rows of some rules in one track at one tier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: Tier
    rules: tuple[Name, ...] = Field(min_length=1, description="The rules whose rows it is about.")
    label_has: str = Field(
        default="",
        description="Text in the labels of the rows that are meant, where a rule has several. If empty, all rows but "
        "those that a longer tuning has replaced.",
    )
    text: str = Field(min_length=1, description="What was found, in plain text.")


class TrackRemarks(BaseModel):
    """Content of one file: the remarks on one track."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    track: Name
    remarks: tuple[Remark, ...] = Field(min_length=1)


ADAPTER: TypeAdapter[TrackRemarks | None] = TypeAdapter(TrackRemarks)


@dataclass(frozen=True)
class PlacedRemark:
    """A remark with its track and its place in a file.

    Attributes:
        track: name of the track.
        remark: the remark.
        path: the file.
        line: its first line there, from 1.

    """

    track: str
    remark: Remark
    path: Path
    line: int

    def problem(self, message: str) -> BrokenRecord:
        """Return a problem of this remark as an unusable part of its file."""
        return BrokenRecord(self.path, f"line {self.line}: {message}")


def read_remarks(folder: Path) -> Iterator[PlacedRemark | BrokenRecord]:
    """Yield the remarks of a file, or of every ``*.yaml`` of a folder in the order of paths.

    A wrong file is one broken record.
    """
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*.yaml")):
        try:
            node = read(path)
        except SpecError as error:
            yield BrokenRecord(path, "; ".join(map(_in_file, error.problems)))
            continue
        found, problems = check(ADAPTER, node, shape=TrackRemarks)
        if found is None:
            yield BrokenRecord(path, "; ".join(map(_in_file, problems)))
            continue
        lines = [entry.mark.line or 1 for entry in _entries(node)]
        for remark, line in zip(found.remarks, lines, strict=True):
            yield PlacedRemark(found.track, remark, path, line)


def _entries(node: Node) -> list[Node]:
    entries: list[Node] = node.value["remarks"].value
    return entries


def _in_file(problem: Problem) -> str:
    """Return a problem without the file's path, which a site must not show."""
    words = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return f"line {problem.line}: {words}" if problem.line else words
