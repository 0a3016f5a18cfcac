"""Take a store, its disk or its MLflow database away while a command uses them, and count what that costs.

    python scripts/campaigns/stores.py [--only PATTERN] [--times N] [--seed N]

Each case does one thing at a random moment of a command that makes two runs: the store is deleted, its disk becomes
full or read-only (one of its own: needs root), its permissions vanish (as root, without root's power to ignore them:
needs ``setpriv``), MLflow's database is deleted, garbled, locked, or its maker killed. There must be no traceback; one
more command and ``benchsuite sync`` must end with 0; all records must then be equal to those of an undisturbed store.
Prints counts; exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from combinations import COMBINATIONS, Combination
from commands import (
    OBEY_PERMISSIONS,
    Commands,
    Process,
    Progress,
    is_a_bug,
    kill,
    numbers_of,
    outcome_of,
    records_of,
    tree_of,
)

from benchsuite.records.model import RunRecord

SEEDS = 2
SMALL_DISK = "size=600k"
"""Room for a store with its first checkpoint, not for a second record beside it."""
IMAGE_BYTES = 16 * 2**20
LOCKED_S = 8.0
RESCUED = re.compile(r"the result is not lost: it is (\S+\.json)")


@dataclass
class Counts:
    """Results of a case."""

    times: int = 0
    tracebacks: int = 0
    rescued: int = 0
    mended: int = 0
    synced: int = 0
    equal: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """An act against a store, and how to end it.

    Attributes:
        act: done at a random moment; gets the store and the command.
        undo: done after the command has ended.
        mirrored: True if the command mirrors into the store's MLflow database.
        disk: file system of a disk of the store's own; empty for none.
        obeys: True if the command must obey permissions, also as root.
        steps: of progress before ``act``; a new store's database is made before the first.

    """

    act: Callable[[Path, Process], None]
    undo: Callable[[Path], None] = lambda store: None
    mirrored: bool = False
    disk: Literal["", "tmpfs", "ext4"] = ""
    obeys: bool = False
    steps: tuple[int, ...] = (1, 2, 3, 5, 8)


def delete_store(store: Path, process: Process) -> None:
    """Delete all of a store."""
    for _ in range(5):  # the command may make a folder anew meanwhile
        shutil.rmtree(store, ignore_errors=True)


def fill(store: Path, process: Process) -> None:
    """Fill a store's disk."""
    with suppress(OSError), (store / "filler").open("wb") as stream:
        while True:
            stream.write(bytes(4096))
            stream.flush()


def did(*command: str | Path) -> bool:
    """Run a command of the system, silently; return True if it succeeded."""
    return not subprocess.run(command, check=False, capture_output=True).returncode


def mount(disk: str, store: Path) -> bool:
    """Mount a disk at a store; return False if that is not possible here."""
    if disk == "tmpfs":
        return did("mount", "-t", "tmpfs", "-o", SMALL_DISK, "none", store)
    image = store.with_suffix(".img")
    if not image.exists():
        with image.open("wb") as stream:
            stream.truncate(IMAGE_BYTES)
        if not did("mkfs.ext4", "-q", "-F", image):
            return False
    return did("mount", "-o", "loop", image, store)


def break_disk(store: Path, process: Process) -> None:
    """Make a disk read-only as a fault of its hardware does: at once, also for files that are open for writing."""
    did("mount", "-o", "remount,abort", store)


def mend_disk(store: Path) -> None:
    """Check a disk after a fault and mount it again."""
    did("umount", store)
    did("e2fsck", "-p", store.with_suffix(".img"))
    if not mount("ext4", store):
        raise SystemExit(f"{store} cannot be mounted again")


def forbid(store: Path, mode: int) -> None:
    """Take permissions of a store and its folders away."""
    for folder in [*(path for path in store.glob("*") if path.is_dir()), store]:
        folder.chmod(mode)


def allow(store: Path) -> None:
    """Give the permissions back."""
    for folder in [store, *(path for path in store.rglob("*") if path.is_dir())]:
        folder.chmod(0o700)


def database_of(store: Path) -> Path:
    """Return the path of MLflow's database."""
    return next(iter(store.glob("*.db")), store / "mlflow.db")


def garble(store: Path, process: Process) -> None:
    """Overwrite MLflow's database with a text."""
    database_of(store).write_bytes(b"no database\n" * 4000)


def lock(store: Path, process: Process) -> None:
    """Hold MLflow's database locked for a while."""
    with closing(sqlite3.connect(database_of(store), timeout=5)) as database, suppress(sqlite3.Error):
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED_S)


def kill_maker(store: Path, process: Process) -> None:
    """Kill a command while it makes MLflow's database, if it is seen at that."""
    while process.poll() is None and not any(store.glob(".*.db.*.tmp")):
        time.sleep(0.02)
    time.sleep(random.uniform(0, 2))  # noqa: S311 - a moment, not a secret
    for victim in tree_of(process.pid)[:1]:
        kill(victim)


CASES = {
    "deleted": Case(delete_store),
    "disk full": Case(fill, lambda store: (store / "filler").unlink(missing_ok=True), disk="tmpfs"),
    "disk read-only": Case(break_disk, mend_disk, disk="ext4"),
    "no permission": Case(lambda store, process: forbid(store, 0), allow, obeys=True),
    "no permission to write": Case(lambda store, process: forbid(store, 0o500), allow, obeys=True),
    "database deleted": Case(lambda store, process: database_of(store).unlink(missing_ok=True), mirrored=True),
    "database garbled": Case(garble, mirrored=True),
    "database locked": Case(lock, mirrored=True),
    "database's maker killed": Case(kill_maker, mirrored=True, steps=(0,)),
}


def rescued(err: str) -> int:
    """Return the number of results that a command could not store and kept elsewhere, as it said, and delete them."""
    found = [path for name in RESCUED.findall(err) if (path := Path(name)).is_file()]
    for path in found:
        shutil.rmtree(path.parent)
    return len(found)


def attempt(case: Case, store: Path, commands: Commands, combination: Combination, draw: random.Random) -> str:
    """Run a command, do the deed, and return what the command wrote to standard error."""
    uri = f"sqlite:///{store / 'mlflow.db'}" if case.mirrored else "none"
    program = OBEY_PERMISSIONS if case.obeys and not os.getuid() else ""
    process = commands.start_run(combination, store, seeds=SEEDS, tracking_uri=uri, program=program)
    progress = Progress(store)
    if progress.wait_for(draw.choice(case.steps), process):
        time.sleep(draw.uniform(0, 0.2))
        case.act(store, process)
    _, _, err = outcome_of(process)
    case.undo(store)
    return err


def make(
    case: Case, times: int, commands: Commands, folder: Path, expected: dict[str, RunRecord], draw: random.Random
) -> Counts:
    """Do a case so many times and count what came of it."""
    counts = Counts()
    if case.obeys and not os.getuid() and not shutil.which("setpriv"):
        counts.wrong.append("skipped: root ignores permissions; try as another user, or with setpriv")
        return counts
    for number in range(times):
        store = Path(tempfile.mkdtemp(prefix=f"store-{number}-", dir=folder))
        if case.disk and not mount(case.disk, store):
            counts.wrong.append("skipped: a disk of its own cannot be mounted here; try as root")
            return counts
        try:
            _once(case, store, commands, expected, draw, counts)
        finally:
            if case.disk:
                did("umount", "-l", store)
                store.with_suffix(".img").unlink(missing_ok=True)
            shutil.rmtree(store, ignore_errors=True)
    return counts


def _once(
    case: Case,
    store: Path,
    commands: Commands,
    expected: dict[str, RunRecord],
    draw: random.Random,
    counts: Counts,
) -> None:
    counts.times += 1
    combination = COMBINATIONS[0]
    uri = f"sqlite:///{store / 'mlflow.db'}" if case.mirrored else "none"
    err = attempt(case, store, commands, combination, draw)
    counts.rescued += rescued(err)
    code, _, again = outcome_of(commands.start_run(combination, store, seeds=SEEDS, tracking_uri=uri))
    counts.mended += code == 0
    if is_a_bug(err) or is_a_bug(again):
        counts.tracebacks += 1
        counts.wrong.append(f"a traceback: {err[-1500:]}{again[-1500:]}")
    if case.mirrored:
        code, _, said = outcome_of(commands.start("sync", "--store", str(store), "--tracking-uri", uri))
        counts.synced += code == 0
        if code:
            counts.wrong.append(f"sync ended with {code}: {said[-1500:]}")
    found = records_of(store)
    same = found.keys() == expected.keys() and all(
        numbers_of(found[name]) == numbers_of(record) for name, record in expected.items()
    )
    counts.equal += same
    if not same:
        counts.wrong.append(f"records differ from the undisturbed: {sorted(found)}; {again[-1500:]}")


def main() -> int:
    """Make the campaign and print its counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", help="pattern of cases' names")
    parser.add_argument("--times", type=int, default=5, help="that each case is done")
    parser.add_argument("--seed", type=int, default=0, help="of moments")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-stores-"))
    commands = Commands(folder)
    draw = random.Random(arguments.seed)  # noqa: S311 - a moment, not a secret
    row = "{:26} {:>6} {:>11} {:>8} {:>7} {:>7} {:>6}"
    print(row.format("case", "times", "tracebacks", "rescued", "mended", "synced", "equal"), flush=True)
    right = True
    try:
        undisturbed = folder / "undisturbed"
        outcome_of(commands.start_run(COMBINATIONS[0], undisturbed, seeds=SEEDS))
        expected = records_of(undisturbed)
        for name, case in CASES.items():
            if not fnmatch.fnmatchcase(name, arguments.only):
                continue
            counts = make(case, arguments.times, commands, folder, expected, draw)
            synced = counts.synced if case.mirrored else "-"
            figures = (counts.times, counts.tracebacks, counts.rescued, counts.mended, synced, counts.equal)
            print(row.format(name, *figures), flush=True)
            for wrong in counts.wrong:
                print(f"  {wrong}", flush=True)
            right &= not [wrong for wrong in counts.wrong if not wrong.startswith("skipped")]
    finally:
        commands.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
