"""Send signals to eight commands that share one new store, and compare what they leave with undisturbed runs.

    python scripts/campaigns/signals.py [--rounds N] [--commands N] [--seed N]

Per round, all commands start at once on one new store, half with workers, half with ``--executor inline``; every second
round mirrors into a new MLflow database. At random moments each gets SIGINT twice, SIGTERM, SIGHUP, or SIGSTOP and
later SIGCONT, alone or with its process group as from a terminal. One more command must then complete all runs. There
must be no traceback, every record must be equal to the bit to that of an undisturbed store, times left out, a record
that was finished must not change, and nothing half-written may stay. Prints counts; exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from combinations import COMBINATIONS, Combination
from commands import Commands, Process, Progress, age, is_a_bug, left_over_in, numbers_of, outcome_of, records_of

from benchsuite.records.model import FINAL_STATUSES, RunRecord

COMBINATION = COMBINATIONS[0]
SEEDS = 4
LONGEST_WAIT_S = 20.0
"""For progress before a signal: commands that wait for one that is stopped make none."""
KILLED = {-int(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
"""Exit codes of a command that got its signal before it could handle it."""
EXPECTED = {0, 130} | KILLED

Send = Callable[[int], None]


@dataclass
class Counts:
    """Results of a round, or of all."""

    commands: int = 0
    runs: int = 0
    equal: int = 0
    lost: int = 0
    left: int = 0
    signals: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add a round's counts."""
        for name in ("commands", "runs", "equal", "lost", "left"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.signals += other.signals
        self.codes += other.codes
        self.wrong += other.wrong


def sigint_twice(send: Send, draw: random.Random) -> None:
    """Press Ctrl-C, and again while the first is being handled."""
    send(signal.SIGINT)
    time.sleep(draw.uniform(0, 0.5))
    send(signal.SIGINT)


def stopped(send: Send, draw: random.Random) -> None:
    """Stop a command for a while."""
    send(signal.SIGSTOP)
    time.sleep(draw.uniform(0.2, 3))
    send(signal.SIGCONT)


DEEDS: dict[str, Callable[[Send, random.Random], None]] = {
    "SIGINT twice": sigint_twice,
    "SIGTERM": lambda send, draw: send(signal.SIGTERM),
    "SIGHUP": lambda send, draw: send(signal.SIGHUP),
    "SIGSTOP": stopped,
}


def disturb(processes: list[Process], store: Path, draw: random.Random) -> Counter[str]:
    """Do one thing to each command, in random order at random moments; return what was done to those that ran."""
    done: Counter[str] = Counter()
    progress = Progress(store)
    for process in draw.sample(processes, len(processes)):
        wanted = progress.look() + draw.choice([0, 0, 1, 2, 4])
        deadline = time.monotonic() + LONGEST_WAIT_S
        while progress.look() < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 1))
        if process.poll() is not None:
            continue
        name = draw.choice(sorted(DEEDS))
        kill = draw.choice([os.kill, os.killpg])
        DEEDS[name](_sender(kill, process.pid), draw)
        done[name] += 1
    return done


def _sender(kill: Callable[[int, int], None], pid: int) -> Send:
    def send(number: int) -> None:
        with suppress(ProcessLookupError):
            kill(pid, number)

    return send


def final_records(store: Path) -> dict[Path, bytes]:
    """Return the files of records that must not change any more."""
    names = [record.run_id for record in records_of(store).values() if record.status in FINAL_STATUSES]
    return {path: path.read_bytes() for name in names if (path := store / "records" / f"{name}.json").is_file()}


def make_round(
    commands: Commands, store: Path, count: int, is_mirrored: bool, expected: dict[str, RunRecord], draw: random.Random
) -> Counts:
    """Start commands on a new store, disturb them, start one more, and count what came of it."""
    counts = Counts(commands=count, runs=len(expected))
    uri = f"sqlite:///{store / 'mlflow.db'}" if is_mirrored else "none"

    def start(combination: Combination) -> Process:
        return commands.start_run(combination, store, seeds=SEEDS, tracking_uri=uri)

    inline = replace(COMBINATION, executor="inline")
    processes = [start(inline if number % 2 else COMBINATION) for number in range(count)]
    counts.signals = disturb(processes, store, draw)
    for process in processes:
        code, _, err = outcome_of(process)
        counts.codes[code] += 1
        if code not in EXPECTED or is_a_bug(err):
            counts.wrong.append(f"a command ended with {code}: {err[-1500:]}")
    finished = final_records(store)
    age(store)
    code, _, err = outcome_of(start(COMBINATION))
    if code or is_a_bug(err):
        counts.wrong.append(f"the last command ended with {code}: {err[-1500:]}")
    if is_mirrored:
        code, _, err = outcome_of(commands.start("sync", "--store", str(store), "--tracking-uri", uri))
        if code:
            counts.wrong.append(f"sync ended with {code}: {err[-1500:]}")
    found = records_of(store)
    counts.lost = len(expected.keys() - found.keys())
    counts.lost += sum(not path.exists() or path.read_bytes() != content for path, content in finished.items())
    for run_id in expected.keys() & found.keys():
        if numbers_of(found[run_id]) == numbers_of(expected[run_id]):
            counts.equal += 1
        else:
            counts.wrong.append(f"differs from the undisturbed record: {run_id}, {found[run_id].status}")
    left = left_over_in(store)
    counts.left = len(left)
    if left:
        counts.wrong.append(f"left behind: {', '.join(left)}")
    return counts


def main() -> int:
    """Make the campaign and print its counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="new stores, one after the other")
    parser.add_argument("--commands", type=int, default=8, help="that share a store")
    parser.add_argument("--seed", type=int, default=0, help="of moments and signals")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-signals-"))
    commands = Commands(folder)
    draw = random.Random(arguments.seed)  # noqa: S311 - a moment, not a secret
    row = "{:>6} {:>8} {:>5} {:>6} {:>5} {:>5}  {}"
    print(row.format("round", "commands", "runs", "equal", "lost", "left", "signals; exit codes"), flush=True)
    total = Counts()
    try:
        undisturbed = folder / "undisturbed"
        outcome_of(commands.start_run(COMBINATION, undisturbed, seeds=SEEDS))
        expected = records_of(undisturbed)
        for number in range(1, arguments.rounds + 1):
            store = folder / f"store-{number}"
            counts = make_round(commands, store, arguments.commands, number % 2 == 0, expected, draw)
            _print(row, str(number), counts)
            total.add(counts)
    finally:
        commands.close()
    _print(row, "all", replace(total, wrong=[]))
    if len(expected) == SEEDS and total.equal == total.runs and not total.lost and not total.wrong:
        shutil.rmtree(folder)
        return 0
    print(f"something is wrong; stores and outputs are in {folder}")
    return 1


def _print(row: str, name: str, counts: Counts) -> None:
    said = [f"{what} {number}" for what, number in sorted(counts.signals.items())]
    codes = [f"{code}: {number}" for code, number in sorted(counts.codes.items())]
    shown = f"{', '.join(said)}; {', '.join(codes)}"
    print(row.format(name, counts.commands, counts.runs, counts.equal, counts.lost, counts.left, shown), flush=True)
    for wrong in counts.wrong:
        print(f"  {wrong}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
