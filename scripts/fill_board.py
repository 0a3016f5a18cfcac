"""Make the runs that the board lacks, those of most value per core-hour first.

    python scripts/fill_board.py [--jobs 2] [--store STORE] [--out FOLDER] [--dry-run]

Reads ``leaderboard/queue.yaml``. A run is done if ``leaderboard/records``, ``--out`` or ``--store`` holds its final
record; all others are made by ``benchsuite run``, ``--jobs`` at once, each on a core of its own. Finished records are
exported to ``--out`` for review as they are made; a row is accepted when all its seeds are there. Stop it at any time
with Ctrl-C: started runs save their state, and the next call continues.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import benchsuite as bs
from benchsuite.records.model import FINAL_STATUSES

REPOSITORY = Path(__file__).resolve().parents[1]
QUEUE = REPOSITORY / "leaderboard" / "queue.yaml"
ACCEPTED = REPOSITORY / "leaderboard" / "records"
POLL_S = 1.0
STOP_S = 60.0
"""Seconds that stopped runs get to save their state."""


class Entry(BaseModel):
    """Runs of one track or suite that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str
    tier: Literal["smoke", "quick", "paper"]
    rules: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(gt=0)
    hours_per_run: float = Field(gt=0, description="Core-hours of one run, measured.")
    value: float = Field(gt=0, description="Claims that it can decide and cells that it fills.")
    why: str = Field(min_length=1)

    @property
    def value_per_hour(self) -> float:
        """Value per core-hour of the whole entry."""
        return self.value / (self.hours_per_run * len(self.rules) * self.seeds)


class Queue(BaseModel):
    """Everything that the board is to hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: int = Field(gt=0, description="Torch threads, and cores, of each run.")
    entries: tuple[Entry, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Job:
    """One run of the queue."""

    run_id: str
    name: str
    command: tuple[str, ...]
    hours: float


@dataclass
class Progress:
    """Jobs by what became of them."""

    done: list[Job] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)
    expected_hours: float = 0.0
    """Hours that the runs of this call should have taken, and ``taken_hours`` that they took."""
    taken_hours: float = 0.0

    @property
    def pace(self) -> float:
        """Time taken per time expected; 1 until a run has ended."""
        return self.taken_hours / self.expected_hours if self.expected_hours else 1.0

    def line(self, jobs: int) -> str:
        """Return counts, and the hours that the runs left would take."""
        hours = sum(job.hours for job in self.left) * self.pace / jobs
        counts = f"{len(self.done)} done, {len(self.failed)} failed, {len(self.left)} left"
        return f"{counts}: about {hours:.1f} h, {jobs} at once"


def read_queue(path: Path) -> Queue:
    """Read and check the queue.

    Raises:
        SystemExit: with all problems, if it is not a queue.

    """
    try:
        return Queue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SystemExit(f"{path}: no queue of runs: {error}") from None


def jobs_of(queue: Queue) -> Iterator[Job]:
    """Yield runs, those of most value per core-hour first; within an entry all rules of one seed before the next."""
    for entry in sorted(queue.entries, key=lambda entry: -entry.value_per_hour):
        plan = bs.plan(
            entry.target,
            rules=list(entry.rules),
            seeds=entry.seeds,
            tier=entry.tier,
            set={"hardware.threads": queue.threads},
        )
        names = dict.fromkeys(run.selected.spec.rule.shown_as for run in plan.runs)  # in the entry's order
        order = {name: position for position, name in enumerate(names)}
        for run in sorted(plan.runs, key=lambda run: (run.selected.spec.seed, order[run.selected.spec.rule.shown_as])):
            spec = run.selected.spec
            name = f"{spec.track} {spec.tier} {spec.rule.shown_as} seed {spec.seed}"
            command = tuple(shlex.split(run.selected.command)[1:])  # without the program's own name
            yield Job(run.run_id, name, command, entry.hours_per_run)


def sort_out(jobs: Iterable[Job], finished: set[str]) -> Progress:
    """Return the jobs divided into those with a final record and those left to do."""
    progress = Progress()
    for job in jobs:
        (progress.done if job.run_id in finished else progress.left).append(job)
    return progress


def finished_runs(folders: Sequence[Path]) -> set[str]:
    """Return the ids of runs with a final record in one of the folders."""
    there = [folder for folder in folders if folder.is_dir()]
    records = bs.load_records(there) if there else []
    return {record.run_id for record in records if record.status in FINAL_STATUSES}


class Crew:
    """Runs under way, each a process on cores of its own."""

    def __init__(self, size: int, threads: int, store: Path, folder: Path) -> None:
        self.store, self.folder, self.threads = store, folder, threads
        cores = available_cores()
        self.slots = [cores[i * threads : (i + 1) * threads] for i in range(size)]
        self.working: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}
        self.started: dict[str, float] = {}

    @property
    def has_room(self) -> bool:
        """True if a core is free."""
        return len(self.working) < len(self.slots)

    def start(self, job: Job) -> None:
        """Start a run; its output goes to a log file."""
        slot = next(slot for slot in range(len(self.slots)) if slot not in self.working)
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchsuite", *job.command]
        options = ["--store", str(self.store), "--tracking-uri", "none"]
        with (self.folder / f"{job.run_id}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": str(self.threads)},
                start_new_session=True,  # Ctrl-C is passed on once, by stop().
            )
        pin(process, self.slots[slot])
        self.working[slot] = job, process
        self.started[job.run_id] = time.monotonic()

    def ended(self) -> list[Job]:
        """Return the runs that have ended since the last call."""
        ended = [(slot, job) for slot, (job, process) in self.working.items() if process.poll() is not None]
        for slot, _ in ended:
            del self.working[slot]
        return [job for _, job in ended]

    def stop(self) -> None:
        """Ask all runs to save their state, and wait until they have."""
        for _, process in self.working.values():
            process.send_signal(signal.SIGINT)
        for job, process in self.working.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                print(f"killed: {job.name}; it continues from its last checkpoint", flush=True)


def available_cores() -> list[int]:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def pin(process: subprocess.Popen[bytes], cores: list[int]) -> None:
    """Keep a process on its cores, and below everything else that the machine has to do."""
    try:
        started = psutil.Process(process.pid)
        if os.name == "posix":
            started.nice(19)
        if hasattr(started, "cpu_affinity"):
            started.cpu_affinity(cores)
    except psutil.Error:
        return  # It has ended already, or may not be moved; both do no harm.


def work_off(progress: Progress, crew: Crew, out: Path) -> None:
    """Make all runs that are left; report and export each as it ends."""
    jobs = len(crew.slots)
    waiting = list(progress.left)
    try:
        while waiting or crew.working:
            while waiting and crew.has_room:
                crew.start(job := waiting.pop(0))
                print(f"started  {job.name}", flush=True)
            time.sleep(POLL_S)
            for job in crew.ended():
                progress.left.remove(job)
                made = job.run_id in finished_runs([crew.store / "records"])
                (progress.done if made else progress.failed).append(job)
                if made:
                    progress.expected_hours += job.hours
                    progress.taken_hours += (time.monotonic() - crew.started[job.run_id]) / 3600
                    bs.export(out, store=crew.store, replace=True, finished=True)
                word = "finished" if made else f"FAILED (see {crew.folder / job.run_id}.log)"
                print(f"{word}  {job.name}\n         {progress.line(jobs)}", flush=True)
    finally:
        crew.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the board; return 0 if nothing failed."""
    parser = argparse.ArgumentParser(description="Make the runs that the board lacks.")
    parser.add_argument("--queue", type=Path, default=QUEUE, help="what to make (default: %(default)s)")
    parser.add_argument("--store", type=Path, default=Path("benchsuite-store"), help="where runs keep their state")
    parser.add_argument("--out", type=Path, default=Path("for-review"), help="where finished records go")
    parser.add_argument("--jobs", type=int, default=None, help="runs at once (default: as many as there are cores)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and make nothing")
    given = parser.parse_args(arguments)
    queue = read_queue(given.queue)
    most = max(1, len(available_cores()) // queue.threads)
    size = most if given.jobs is None else given.jobs
    if not 0 < size <= most:
        parser.error(
            f"--jobs: {size} runs of {queue.threads} threads need other cores; this machine has room for {most}"
        )
    progress = sort_out(jobs_of(queue), finished_runs([ACCEPTED, given.out, given.store / "records"]))
    print(progress.line(size), flush=True)
    if given.dry_run:
        print("\n".join(f"  {job.hours:5.2f} h  {job.name}" for job in progress.left))
        return 0
    try:
        work_off(progress, Crew(size, queue.threads, given.store, given.store / "logs"), given.out)
    except KeyboardInterrupt:
        print(f"stopped; run the same command again to continue. {progress.line(size)}")
        return 130
    return 1 if progress.failed else 0


if __name__ == "__main__":
    sys.exit(main())
