"""The queue of ``scripts/fill_board.py``: runs and tunings that the board is to hold, and those that it lacks."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import benchsuite as bs
from benchsuite.api.options import make_selection
from benchsuite.api.workspace import open_workspace
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.records.reading import read_document
from benchsuite.records.store import read_tunings, record_files
from benchsuite.records.tuning import TuningRecord
from benchsuite.results.formatting import duration
from benchsuite.specs.loading.resolve_tuning import SelectedTuning, resolve_tunings
from benchsuite.specs.search_space import same_search
from benchsuite.training.device import resolve_hardware


class Entry(BaseModel):
    """Runs of one track or suite that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str
    tier: Literal["smoke", "quick", "paper"]
    settings: Literal["published", "tuned"] = "published"
    rules: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(gt=0)
    hours_per_run: float = Field(gt=0, description="Core-hours of one run, measured.")
    hours_per_tuning: float = Field(default=0, ge=0, description="Core-hours of one rule's tuning, if it is tuned.")
    value: float = Field(gt=0, description="Claims that it can decide and cells that it fills.")
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _knows_the_cost_of_tuning(self) -> Entry:
        if (self.settings == "tuned") != (self.hours_per_tuning > 0):
            raise ValueError("hours_per_tuning must be given if settings is 'tuned', and only then")
        return self

    @property
    def value_per_hour(self) -> float:
        """Value per core-hour of the whole entry."""
        return self.value / (len(self.rules) * (self.hours_per_run * self.seeds + self.hours_per_tuning))


class Queue(BaseModel):
    """Everything that the board is to hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: int = Field(gt=0, description="Torch threads, and cores, of each run.")
    entries: tuple[Entry, ...] = Field(min_length=1)

    @property
    def ordered(self) -> list[Entry]:
        """The entries, those of most value per core-hour first."""
        return sorted(self.entries, key=lambda entry: -entry.value_per_hour)


def read_queue(path: Path) -> Queue:
    """Read and check the queue.

    Raises:
        SystemExit: with all problems, if it is not a queue.

    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(document, dict):
            document.pop("lists", None)  # anchors that entries share
        return Queue.model_validate(document)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SystemExit(f"{path}: no queue of runs: {error}") from None


@dataclass(frozen=True)
class Item:
    """One run or one tuning of an entry.

    Attributes:
        name: identity within the queue.
        record_id: name of its record; empty for a run whose settings are not tuned yet.
        rule: the row's rule, as commands name it.
        measured_as: key of the times of its kind.
        queue_hours: core-hours that the queue says it takes, for a machine that has made none of its kind.

    """

    name: str
    record_id: str
    rule: str
    measured_as: tuple[str, str, str, str]
    queue_hours: float


@dataclass(frozen=True)
class EntryItems:
    """Everything that an entry consists of.

    Attributes:
        entry: the entry.
        tunings: its tunings, if it is tuned.
        runs: its runs.

    """

    entry: Entry
    tunings: tuple[Item, ...]
    runs: tuple[Item, ...]

    @property
    def all(self) -> tuple[Item, ...]:
        """Tunings and runs."""
        return (*self.tunings, *self.runs)


def items_of(entry: Entry, threads: int, store: Path) -> EntryItems:
    """Return the runs of an entry, and its tunings with what the store's records say of them.

    Args:
        entry: the entry.
        threads: torch threads of each run.
        store: store whose tunings give tuned runs their settings.

    """
    plan = partial(bs.plan, entry.target, tier=entry.tier, set={"hardware.threads": threads}, store=store)
    if entry.settings == "published":
        planned = plan(rules=list(entry.rules), seeds=entry.seeds)
        return EntryItems(entry, (), tuple(_run(each, entry) for each in planned.runs))
    untuned = plan(rules=list(entry.rules), seeds=1)
    fitting = {(run.selected.spec.track, run.selected.spec.rule.name) for run in untuned.runs}
    tunings, tuned, runs = [], set(), []
    records = [r for r in read_tunings(store / "tuning") if isinstance(r, TuningRecord)]
    for wanted in _tunings(entry, threads):
        run = wanted.spec.run
        if (run.track, run.rule.name) not in fitting:
            continue
        found = next((r for r in records if _settles(r, wanted)), None)
        key = (run.track, run.tier, run.rule.name)
        name = f"{run.track} {run.tier} tuning of {run.rule.name}"
        identity = found.tuning_id if found else ""
        tunings.append(Item(name, identity, wanted.row, ("tuning", *key), entry.hours_per_tuning))
        if found is None:
            names = (f"{run.track} {run.tier} {run.rule.name} tuned seed {seed}" for seed in range(entry.seeds))
            runs += [Item(each, "", wanted.row, ("run", *key), entry.hours_per_run) for each in names]
        elif found.best is not None:  # no trial completed: the tuning's record says so, and there is nothing to run
            tuned.add(wanted.row)
    if tuned:
        planned = plan(rules=sorted(tuned), seeds=entry.seeds, settings="tuned")
        runs += [_run(each, entry) for each in planned.runs]
    return EntryItems(entry, tuple(tunings), tuple(runs))


def _run(planned: bs.PlannedRun, entry: Entry) -> Item:
    spec = planned.selected.spec
    is_tuned = bool(spec.rule.tuned_by)
    row = f"{spec.rule.name} tuned" if is_tuned else spec.rule.shown_as
    command = shlex.split(planned.selected.command)
    rule = spec.rule.name if is_tuned else command[command.index("--rules") + 1]
    key = ("run", spec.track, spec.tier, spec.rule.name)
    name = f"{spec.track} {spec.tier} {row} seed {spec.seed}"
    return Item(name, planned.run_id, rule, key, entry.hours_per_run)


def _tunings(entry: Entry, threads: int) -> list[SelectedTuning]:
    workspace = open_workspace(None, entry.target)
    chosen = make_selection(entry.target, list(entry.rules), None, entry.tier, {"hardware.threads": threads}, "auto")
    return resolve_tunings(chosen, workspace.library, workspace.registry, resolve_hardware)


def _settles(record: TuningRecord, wanted: SelectedTuning) -> bool:
    enough = record.spec.budget.trials >= wanted.spec.budget.trials
    return enough and same_search(record.spec, wanted.spec)


@dataclass
class Board:
    """Records that are there: of which runs they are, and how long those of this machine took.

    Attributes:
        folders: folders of accepted and exported records of runs.
        store: the store of this machine, which alone has this machine's times.

    """

    folders: Sequence[Path]
    store: Path
    _done: set[str] = field(default_factory=set)
    _read: dict[Path, int] = field(default_factory=dict)
    _hours: dict[tuple[str, str, str, str], dict[str, float]] = field(default_factory=dict)

    def finished(self, items: Iterable[Item]) -> set[str]:
        """Return the names of items with a final record; records are read again only where they have changed."""
        items = list(items)
        wanted = {item.record_id for item in items}
        for path in record_files(*(folder for folder in self.folders if folder.is_dir())):
            if path.stem in wanted and path.stem not in self._done:
                self._enter(path, measured=False)
        for folder in (self.store / "records", self.store / "tuning"):
            for path in record_files(folder) if folder.is_dir() else []:
                self._enter(path, measured=True)
        return {item.name for item in items if item.record_id in self._done}

    def _enter(self, path: Path, *, measured: bool) -> None:
        changed = path.stat().st_mtime_ns
        if self._read.get(path) == changed:
            return
        self._read[path] = changed
        record = read_document(path)
        if isinstance(record, TuningRecord):
            self._done.add(record.tuning_id)
            run = record.spec.run
            key = ("tuning", run.track, run.tier, run.rule.name)
            seconds = sum(trial.wall_time_s for trial in record.trials)
        elif isinstance(record, RunRecord) and record.status in FINAL_STATUSES:
            self._done.add(record.run_id)
            key = ("run", record.spec.track, record.spec.tier, record.spec.rule.name)
            parts = record.timing
            seconds = parts.train_time_s + parts.evaluation_time_s + parts.diagnostics_time_s + parts.setup_time_s
            measured = measured and record.status == "completed"  # others may have stopped early
        else:
            return
        if measured:
            self._hours.setdefault(key, {})[path.stem] = seconds / 3600

    def hours_of(self, item: Item) -> float | None:
        """Return the median time of an item's kind on this machine; None if none was made here."""
        found = self._hours.get(item.measured_as)
        return statistics.median(found.values()) if found else None


def time_left(items: Iterable[Item], board: Board, jobs: int) -> str:
    """Return how long items will take: ``about 3.5 h, 2 at once``, and for how many only the queue knows the time."""
    items = list(items)
    if not items:
        return "nothing left"
    measured = [board.hours_of(item) for item in items]
    hours = sum(item.queue_hours if here is None else here for item, here in zip(items, measured, strict=True))
    unmeasured = measured.count(None)
    of_them = "" if unmeasured == len(items) else f" for {unmeasured} of them"
    by_queue = f", by the queue's times{of_them}: none of the kind was made here" if unmeasured else ""
    return f"about {duration(hours * 3600 / jobs)}, {jobs} at once{by_queue}"


def words_of(
    entry: Entry, items: Sequence[Item], verb: Literal["tune", "run"], jobs: int, threads: int
) -> Iterator[str]:
    """Yield the words of the command that makes some of an entry's tunings or runs."""
    yield from (verb, entry.target, "--rules", ",".join(dict.fromkeys(item.rule for item in items)))
    yield from ("--tier", entry.tier, "--jobs", str(jobs), "--set", f"hardware.threads={threads}")
    if verb == "run":
        yield from ("--settings", entry.settings, "--seeds", str(entry.seeds))
