"""Make the runs that the board lacks, those of most value per core-hour first.

    python scripts/fill_board.py [--jobs 2] [--store STORE] [--out FOLDER] [--dry-run]

Reads ``leaderboard/queue.yaml``. A run is done if ``leaderboard/records``, ``--out`` or ``--store`` holds its final
record; all others are made by ``benchsuite run``, ``--jobs`` at once with ``--threads`` each. Where an entry says
``settings: tuned``, ``benchsuite tune`` comes first. Finished records are exported for review as they are made; a row
is accepted when all its seeds are there. Stop it at any time with Ctrl-C: started runs save their state, and the next
call continues.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from board_queue import Board, Entry, EntryItems, Item, Queue, items_of, read_queue, time_left, words_of

import benchsuite as bs
from benchsuite.errors import BenchsuiteError
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.records.store import record_files

REPOSITORY = Path(__file__).resolve().parents[1]
QUEUE = REPOSITORY / "leaderboard" / "queue.yaml"
ACCEPTED = REPOSITORY / "leaderboard" / "records"
TUNINGS = REPOSITORY / "leaderboard" / "tuning"
POLL_S = 2.0
NICENESS = 19
"""Of the runs: below everything else that the machine has to do."""
STOP_S = 60.0
"""Seconds that stopped runs get to save their state."""


@dataclass(frozen=True)
class Places:
    """Folders that are read and written."""

    store: Path
    out: Path
    tunings: Path

    def export(self) -> None:
        """Copy finished runs and tunings out of the store, for review."""
        if record_files(self.store / "records"):
            bs.export(self.out, store=self.store, replace=True, finished=True)
        if record_files(self.store / "tuning"):
            bs.export(self.tunings, store=self.store, replace=True, tunings=True, without_paths=True)

    def import_tunings(self) -> None:
        """Bring accepted tunings into the store, so that they are not made again."""
        if self.tunings.is_dir() and record_files(self.tunings):
            bs.import_records([self.tunings], store=self.store)


@dataclass
class Filling:
    """Progress of a queue: its items by entry, and what became of them.

    Attributes:
        queue: the queue.
        places: folders that are read and written.
        jobs: runs at once.
        threads: torch threads of each.
        entries: items of each entry, in the order in which they are made.
        failed: names of the items that were tried and have no final record.

    """

    queue: Queue
    places: Places
    jobs: int
    threads: int
    entries: list[EntryItems] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Find out what is there."""
        self.places.import_tunings()
        self.board = Board([ACCEPTED, self.places.out], self.places.store)
        self.entries = [self._items(entry) for entry in self.queue.ordered]
        self.done = self.board.finished(self._all())

    def _items(self, entry: Entry) -> EntryItems:
        return items_of(entry, self.threads, self.places.store)

    def _all(self) -> list[Item]:
        return [item for each in self.entries for item in each.all]

    def left(self, items: Sequence[Item] | None = None) -> list[Item]:
        """Return the items, all if none are given, that are neither done nor failed."""
        chosen = self._all() if items is None else items
        return [item for item in chosen if item.name not in self.done | self.failed]

    def line(self) -> str:
        """Return counts, and the time that the rest will take."""
        left = self.left()
        counts = f"{len(self.done)} done, {len(self.failed)} failed, {len(left)} left"
        return f"{counts}: {time_left(left, self.board, self.jobs)}"

    def look(self) -> None:
        """Report and export what has been finished since the last look."""
        done = self.board.finished(self._all())
        if new := sorted(done - self.done):
            self.done = done
            self.places.export()
            say(*(f"finished  {name}" for name in new), f"          {self.line()}")

    def work(self) -> None:
        """Make all that is left, entry by entry."""
        for number in range(len(self.entries)):
            self._make(number, "tune")
            self._make(number, "run")

    def _make(self, number: int, verb: Literal["tune", "run"]) -> None:
        entry, todo = self.entries[number].entry, self.left(self._of(number, verb))
        if not todo:
            return
        words = list(words_of(entry, todo, verb, self.jobs, self.threads))
        log = self.places.store / "logs" / f"{Path(entry.target).stem}-{entry.tier}-{verb}.log"
        say(f"started   benchsuite {' '.join(words)}")
        where = ["--store", str(self.places.store), "--tracking-uri", "none"]
        call([sys.executable, "-m", "benchsuite", *words, *where], log, self.look, self.threads)
        self.entries[number] = self._items(entry)  # tunings give runs their settings
        self.look()
        failed = [item.name for item in self.left(self._of(number, verb))]
        if verb == "tune":  # Runs that still have no settings fail with their tuning.
            failed += [item.name for item in self.left(self.entries[number].runs) if not item.record_id]
        self.failed.update(failed)
        if failed:
            say(*(f"FAILED    {name}" for name in failed), f"          see {log}; {self.line()}")

    def _of(self, number: int, verb: Literal["tune", "run"]) -> tuple[Item, ...]:
        return self.entries[number].tunings if verb == "tune" else self.entries[number].runs


def say(*lines: str) -> None:
    """Print lines at once, even into a file."""
    print("\n".join(lines), flush=True)


def call(command: Sequence[str], log: Path, look: Callable[[], None], threads: int) -> int:
    """Run a command, its output in a log file; look around while it works, and stop it if interrupted.

    Returns:
        Its exit status.

    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # Ctrl-C is passed on once, below.
        )
    with suppress(psutil.Error):  # It may have ended already.
        if os.name == "posix":
            psutil.Process(process.pid).nice(NICENESS)
    try:
        while True:
            try:
                return process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                look()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                say("killed    runs that did not stop; they continue from their last checkpoints")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the board; return 0 if nothing failed."""
    parser = argparse.ArgumentParser(description="Make the runs that the board lacks.")
    parser.add_argument("--queue", type=Path, default=QUEUE, help="what to make (default: %(default)s)")
    parser.add_argument("--store", type=Path, default=Path("benchsuite-store"), help="where runs keep their state")
    parser.add_argument("--out", type=Path, default=Path("for-review"), help="where finished records go")
    parser.add_argument(
        "--tunings", type=Path, default=TUNINGS, help="where finished tunings go (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at once (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of each run (default: as the queue says)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and make nothing")
    given = parser.parse_args(arguments)
    queue = read_queue(given.queue)
    threads, cores = given.threads or queue.threads, available_cores()
    if given.jobs < 1 or threads < 1 or given.jobs * threads > cores:
        parser.error(f"--jobs {given.jobs} with {threads} threads each: this process may use {cores} cores")
    try:
        filling = Filling(queue, Places(given.store, given.out, given.tunings), given.jobs, threads)
    except BenchsuiteError as error:
        parser.error(f"{given.queue}: {error}")
    say(filling.line())
    if given.dry_run:
        say(*(f"  {item.name}: {time_left([item], filling.board, 1)}" for item in filling.left()))
        return 0
    try:
        with sigterm_as_interrupt():
            filling.work()
    except KeyboardInterrupt:
        filling.look()
        say(f"stopped; run the same command again to continue. {filling.line()}")
        return 130
    return 1 if filling.failed else 0


if __name__ == "__main__":
    sys.exit(main())
