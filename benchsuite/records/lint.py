"""Lint a folder of records for review: check each file alone, then all files together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from benchsuite.records.absolute_paths import absolute_paths
from benchsuite.records.checks import identity_of, inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import (
    BrokenRecord,
    is_selftest,
    is_tuning,
    read_record,
    read_selftest,
    read_study,
    read_timing,
    read_tuning,
)
from benchsuite.records.selftest import SelftestRecord, selftest_problems
from benchsuite.records.store import is_study, is_timing, record_files
from benchsuite.records.study import StudyRecord
from benchsuite.records.timing import TimingRecord, timing_problems
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.models.base import strip_documentation

ALLOWED_BESIDE = frozenset({"README.md"})
"""Other files that are allowed among records."""

Records = Mapping[Path, RunRecord | StudyRecord | TuningRecord]

CheckStudy = Callable[[StudyRecord], list[str]]
"""Returns the problems of a study's result."""


@dataclass(frozen=True)
class Finding:
    """One finding about a file or a folder."""

    path: Path
    message: str
    is_problem: bool = True
    """False for a note: a reviewer should know it, but nothing needs to change."""

    def __str__(self) -> str:
        """Return one line: the path, then the problem or, after 'note', the note."""
        return f"{self.path}: {'' if self.is_problem else 'note: '}{self.message}"


@dataclass(frozen=True)
class LintReport:
    """The number of records read, and the findings."""

    records: int
    findings: tuple[Finding, ...]
    """Sorted by path."""

    @property
    def is_clean(self) -> bool:
        """True if there is no problem; notes are allowed."""
        return not any(f.is_problem for f in self.findings)


def lint_folder(folder: Path, check_study: CheckStudy = lambda _record: []) -> LintReport:
    """Read every file of a folder of records and return the findings for a reviewer.

    Problems are: unreadable files, wrong names and hashes, duplicates, several tracks in one folder, missing seeds of a
    row, uncommitted code, absolute paths, and other files. Data without the published checksums are a note.

    Args:
        folder: the folder.
        check_study: returns the problems of a study's result, which only the plugin of its kind can check.

    """
    records: dict[Path, RunRecord | StudyRecord | TuningRecord] = {}
    findings: list[Finding] = []
    measurements = 0
    expected = set(record_files(folder))
    for path in sorted(p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()):
        if path.is_symlink():
            findings.append(Finding(path, "a link; records are plain files"))
        elif path not in expected:
            if path.name not in ALLOWED_BESIDE:
                findings.append(Finding(path, "not a record"))
        elif is_timing(path, folder):
            timing = read_timing(path)
            measurements += isinstance(timing, TimingRecord)
            findings += [Finding(path, message) for message in _timing_alone(timing, path)]
        elif is_selftest(path):
            found = read_selftest(path)
            measurements += isinstance(found, SelftestRecord)
            findings += [Finding(path, message) for message in _selftest_alone(found, path)]
        else:
            record = _read(path, folder)
            if isinstance(record, BrokenRecord):
                findings.append(Finding(path, f"unreadable: {record.reason}"))
            else:
                records[path] = record
                findings += [Finding(path, message) for message in _alone(record, path)]
                if isinstance(record, StudyRecord):
                    findings += [Finding(path, message) for message in check_study(record)]
    for check in (_duplicates, _mixed_tracks, _missing_seeds, _data_not_canonical):
        findings += check(records, folder)
    return LintReport(
        len(records) + measurements, tuple(sorted(findings, key=lambda f: (f.path, not f.is_problem, f.message)))
    )


def _read(path: Path, folder: Path) -> RunRecord | StudyRecord | TuningRecord | BrokenRecord:
    if is_study(path, folder):
        return read_study(path)
    return read_tuning(path) if is_tuning(path) else read_record(path)


def _alone(record: RunRecord | StudyRecord | TuningRecord, path: Path) -> Iterator[str]:
    yield from inconsistencies(record, path)
    for field, found in absolute_paths(record):
        remedy = (
            "give it relative to the data root" if field.startswith("spec.") else "`export --without-paths` cuts it"
        )
        yield f"absolute path: {field} names {found}, which is of one machine; {remedy}"
    if record.environment.git_dirty:
        yield f"git state: made with changes that commit {record.environment.git_commit or 'unknown'} does not have"


def _timing_alone(timing: TimingRecord | BrokenRecord, path: Path) -> Iterator[str]:
    if isinstance(timing, BrokenRecord):
        yield f"unreadable: {timing.reason}"
        return
    yield from timing_problems(timing)
    if path.stem != timing.timing_id:
        yield f"name: its timing_id is {timing.timing_id}"
    if path.parent.name != timing.track:
        yield f"folder name: it is of track {timing.track}"
    yield from _of_one_machine(timing)


def _selftest_alone(record: SelftestRecord | BrokenRecord, path: Path) -> Iterator[str]:
    if isinstance(record, BrokenRecord):
        yield f"unreadable: {record.reason}"
        return
    yield from selftest_problems(record)
    if path.stem != record.selftest_id:
        yield f"name: its selftest_id is {record.selftest_id}"
    yield from _of_one_machine(record)


def _of_one_machine(record: TimingRecord | SelftestRecord) -> Iterator[str]:
    for field, found in absolute_paths(record):
        yield f"absolute path: {field} names {found}, which is of one machine"
    if record.environment.git_dirty:
        yield f"git state: made with changes that commit {record.environment.git_commit or 'unknown'} does not have"


def _duplicates(records: Records, folder: Path) -> Iterator[Finding]:
    by_id: dict[str, Path] = {}
    by_run: dict[str, Path] = {}
    for path, record in records.items():
        first = by_id.setdefault(identity_of(record), path)
        if first != path:
            yield Finding(path, f"duplicate: {identity_of(record)} is also in {first.relative_to(folder)}")
        elif isinstance(record, RunRecord):
            first = by_run.setdefault(canonical_json([_row(record), record.spec.seed]), path)
            if first != path:
                yield Finding(
                    path, f"duplicate: seed {record.spec.seed} of its row is also {first.relative_to(folder)}"
                )


def _mixed_tracks(records: Records, folder: Path) -> Iterator[Finding]:
    tracks: dict[Path, set[str]] = defaultdict(set)
    for path, record in records.items():
        if isinstance(record, RunRecord):
            tracks[path.parent].add(record.spec.track)
    for parent, names in sorted(tracks.items()):
        (name, *others) = sorted(names)
        above = {folder.resolve().name, *parent.relative_to(folder).parts}
        if others:
            yield Finding(parent, f"mixed tracks: {', '.join(sorted(names))}; use one folder per track")
        elif not above & {name, f"{name}.runs"}:
            yield Finding(parent, f"folder name: its records are of track {name}")


def _missing_seeds(records: Records, _folder: Path) -> Iterator[Finding]:
    tables: dict[str, dict[str, dict[int, Path]]] = defaultdict(lambda: defaultdict(dict))
    rules: dict[str, str] = {}
    for path, record in records.items():
        if isinstance(record, RunRecord):
            row = canonical_json(_row(record))
            tables[canonical_json(_table(record))][row][record.spec.seed] = path
            rules[row] = record.spec.rule.shown_as
    for rows in tables.values():
        expected = set(range(1 + max(seed for seeds in rows.values() for seed in seeds)))
        for row, seeds in sorted(rows.items()):
            if missing := sorted(expected - seeds.keys()):
                seeds_missing = f"seed{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}"
                yield Finding(
                    min(seeds.values()).parent, f"missing: {seeds_missing} of {rules[row]}; other seeds are there"
                )


def _data_not_canonical(records: Records, _folder: Path) -> Iterator[Finding]:
    counts: dict[tuple[Path, str, str], int] = defaultdict(int)
    for path, record in records.items():
        if isinstance(record, RunRecord) and record.data is not None and record.data.canonical is not True:
            checksums = (
                "without published checksums" if record.data.canonical is None else "not with the published checksums"
            )
            counts[path.parent, record.spec.dataset.name, f"{checksums} ({record.data.fingerprint[:12]})"] += 1
    for (parent, name, checksums), count in sorted(counts.items()):
        yield Finding(
            parent, f"data: {name}, {checksums}, in {count} record{'s' if count > 1 else ''}", is_problem=False
        )


def _table(record: RunRecord) -> list[object]:
    """Return the values that rows must share to be expected to have the same seeds."""
    spec, hardware = record.spec, record.hardware
    parts: Iterable[object] = (_plain(spec.dataset), _plain(spec.architecture))
    return [spec.track, spec.tier, hardware.hardware_class, hardware.precision, *parts]


def _row(record: RunRecord) -> list[object]:
    """Return the values that are equal for all seeds of one row."""
    spec = record.spec
    return [*_table(record), _plain(spec.protocol), _plain(spec.pretraining), _plain(spec.rule)]


def _plain(model: BaseModel) -> object:
    return strip_documentation(model.model_dump(mode="json"))
