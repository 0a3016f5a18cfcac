"""Kill runs at random moments, start them again until they are done, and compare with runs that nobody killed.

    python scripts/campaigns/kills.py [--kills N] [--seed N] [--only PATTERN] [--folder FOLDER]

Each combination of rule, network and executor makes two runs in a new store. One random process of the command gets
SIGKILL at a random moment: the command, the server of workers, a worker, torchrun or a rank, Ray's driver or worker, or
one of Ray's two nodes with all that it runs.
The command is started again until all is done. Every record must then be equal to the bit to that of an undisturbed
store, times left out; a record that was finished before a kill must not change; nothing half-written may stay. Prints
counts per combination; exits with 1 if anything was lost or differs.
"""

from __future__ import annotations

import argparse
import fnmatch
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from combinations import COMBINATIONS, Combination
from commands import (
    Commands,
    Process,
    Progress,
    age,
    is_a_bug,
    kill,
    left_over_in,
    numbers_of,
    outcome_of,
    records_of,
    tree_of,
)
from ray_cluster import RayCluster, ray_workers

from benchsuite.records.model import FINAL_STATUSES, RunRecord

SEEDS = 2
EXPENSIVE = {"ray": 0.4}
"""Share of the kills of a combination whose processes take long to start."""
NODES = 0.3
"""Share of Ray's nodes among its victims."""
MOST_STARTS = 60
"""Of one store's command; more mean that it makes no progress."""


@dataclass
class Counts:
    """Results of a combination."""

    kills: int = 0
    stores: int = 0
    runs: int = 0
    resumed: int = 0
    equal: int = 0
    lost: int = 0
    left: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """True if every run has its record, equal to the undisturbed one, and nothing stayed behind."""
        return self.equal == self.runs and not self.lost and not self.left and not self.wrong


class Campaign:
    """Kills of one combination.

    Args:
        combination: what is run.
        commands: starts it.
        folder: temporary; for stores.
        draw: decides moments and victims.
        cluster: of Ray, for combinations that need it.

    """

    def __init__(
        self,
        combination: Combination,
        commands: Commands,
        folder: Path,
        draw: random.Random,
        cluster: RayCluster | None,
    ) -> None:
        self.combination = combination
        self.commands = commands
        self.folder = folder
        self.draw = draw
        self.cluster = cluster
        self.counts = Counts()
        self.address = {} if cluster is None else {"RAY_ADDRESS": cluster.address}

    def make(self, kills: int) -> Counts:
        """Kill so often, in as many stores as that takes."""
        undisturbed = self._undisturbed()
        while self.counts.kills < kills and not self.counts.wrong:
            self.counts.stores += 1
            store = self.folder / f"{self.combination.name}-{self.counts.stores}"
            self._disturb(store, kills)
            self._compare(store, undisturbed)
            shutil.rmtree(store)
        return self.counts

    def _undisturbed(self) -> dict[str, RunRecord]:
        """Return the records of a store whose command nobody disturbs: torchrun, or for all others local workers."""
        store = self.folder / f"{self.combination.name}-undisturbed"
        command = self.commands.start_run(_with_local_workers(self.combination), store, seeds=SEEDS)
        code, _, err = outcome_of(command)
        records = records_of(store)
        if code or len(records) != SEEDS or any(record.status != "completed" for record in records.values()):
            self.counts.wrong.append(f"the undisturbed command ended with {code}: {err[-2000:]}")
        return records

    def _disturb(self, store: Path, kills: int) -> None:
        finished: dict[Path, bytes] = {}
        for _ in range(MOST_STARTS):
            process = self.commands.start_run(self.combination, store, seeds=SEEDS, **self.address)
            progress = Progress(store)
            while self.counts.kills < kills and self._waited(progress, process):
                self._kill_one(process.pid)
            code, _, err = outcome_of(process)
            self._check_finished(store, finished)
            if is_a_bug(err):
                self.counts.wrong.append(f"a traceback on standard error: {err[-2000:]}")
            if code == 0:
                return
        self.counts.wrong.append(f"not done after {MOST_STARTS} starts: {err[-2000:]}")

    def _waited(self, progress: Progress, process: Process) -> bool:
        """Wait for a random moment; False if the command has ended."""
        steps = self.draw.choice([0, 0, 1, 2, 3, 4, 6])
        there = progress.wait_for(steps, process)
        time.sleep(self.draw.uniform(0, 1.5 if not steps else 0.3))
        return there and process.poll() is None

    def _kill_one(self, pid: int) -> None:
        if self.cluster is not None and self.draw.random() < NODES:
            self.cluster.kill_node()
            self.cluster.add_node()
            self.counts.kills += 1
            self.counts.killed["node"] += 1
            return
        tree = tree_of(pid)
        if self.cluster is not None:
            # Ray's workers belong to its daemon, not to the command.
            tree = tree[:1] + ray_workers(self.cluster.pid)
        if not tree:
            return
        # Seldom the server: what takes its place imports torch anew, which takes longer than the run.
        rare = self.combination.executor == "local"
        victim = self.draw.choices(tree, [1.0 if not rare or number != 1 else 0.4 for number in range(len(tree))])[0]
        role = self._role(victim, tree)
        if kill(victim):
            self.counts.kills += 1
            self.counts.killed[role] += 1

    def _role(self, victim: psutil.Process, tree: list[psutil.Process]) -> str:
        executor = self.combination.executor
        if victim is tree[0]:
            return {"torchrun": "torchrun", "ray": "driver"}.get(executor, "command")
        if executor == "torchrun":
            return "rank"
        if executor == "ray":
            return "ray worker"
        try:
            return "server" if victim.ppid() == tree[0].pid else "worker"
        except psutil.Error:
            return "ended"

    def _check_finished(self, store: Path, finished: dict[Path, bytes]) -> None:
        """Check that records that were final before are unchanged, and note those that are new."""
        for path, content in finished.items():
            if not path.exists() or path.read_bytes() != content:
                self.counts.lost += 1
                self.counts.wrong.append(f"a finished record was lost or changed: {path.name}")
        for record in records_of(store).values():
            if record.status in FINAL_STATUSES:
                path = store / "records" / f"{record.run_id}.json"
                finished.setdefault(path, path.read_bytes())

    def _compare(self, store: Path, undisturbed: dict[str, RunRecord]) -> None:
        counts, found = self.counts, records_of(store)
        counts.runs += len(undisturbed)
        counts.lost += len(undisturbed.keys() - found.keys())
        for run_id, expected in undisturbed.items():
            record = found.get(run_id)
            if record is None:
                continue
            counts.resumed += bool(record.resumed)
            if numbers_of(record) == numbers_of(expected):
                counts.equal += 1
            else:
                kept = self.folder / f"differs-{counts.stores}-{run_id}.json"
                kept.write_text(record.model_dump_json(indent=1), encoding="utf-8")
                counts.wrong.append(f"differs from the undisturbed record: {kept}")
        age(store)
        outcome_of(self.commands.start_run(_with_local_workers(self.combination), store, seeds=SEEDS))
        left = left_over_in(store)
        counts.left += len(left)
        if left:
            counts.wrong.append(f"left behind: {', '.join(left)}")


def _with_local_workers(combination: Combination) -> Combination:
    """Return the same runs, made by workers of the command; torchrun's need their ranks."""
    return combination if combination.executor == "torchrun" else replace(combination, executor="local")


def main() -> int:
    """Make the campaign and print its counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of all combinations together, at least")
    parser.add_argument("--seed", type=int, default=0, help="of moments and victims")
    parser.add_argument("--only", default="*", help="pattern of combinations' names")
    parser.add_argument("--folder", type=Path, help="for stores; a temporary one if not given")
    arguments = parser.parse_args()
    chosen = [c for c in COMBINATIONS if fnmatch.fnmatchcase(c.name, arguments.only)]
    weights = [EXPENSIVE.get(c.executor, 1.0) for c in chosen]
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-kills-", dir=arguments.folder))
    commands = Commands(folder)
    total = Counts()
    row = "{:62} {:>6} {:>6} {:>5} {:>8} {:>6} {:>5} {:>5}  {}"
    print(
        row.format("combination", "kills", "stores", "runs", "resumed", "equal", "lost", "left", "killed"), flush=True
    )
    try:
        for number, (combination, weight) in enumerate(zip(chosen, weights, strict=True)):
            wanted = max(1, round(arguments.kills * weight / sum(weights) + 0.499))
            draw = random.Random(arguments.seed * 1000 + number)  # noqa: S311 - a moment, not a secret
            cluster = RayCluster(commands) if combination.executor == "ray" else None
            try:
                if cluster is not None:
                    cluster.add_node()
                counts = Campaign(combination, commands, folder, draw, cluster).make(wanted)
            finally:
                if cluster is not None:
                    cluster.stop()
            _print(row, combination.name, counts)
            for name in ("kills", "stores", "runs", "resumed", "equal", "lost", "left"):
                setattr(total, name, getattr(total, name) + getattr(counts, name))
            total.killed += counts.killed
            total.wrong += counts.wrong
    finally:
        commands.close()
    _print(row, "all", total)
    if total.is_right:
        shutil.rmtree(folder)
        return 0
    print(f"something is wrong; stores and outputs are in {folder}")
    return 1


def _print(row: str, name: str, counts: Counts) -> None:
    killed = ", ".join(f"{role} {number}" for role, number in sorted(counts.killed.items()))
    numbers = (counts.kills, counts.stores, counts.runs, counts.resumed, counts.equal, counts.lost, counts.left)
    print(row.format(name, *numbers, killed), flush=True)
    for wrong in counts.wrong:
        print(f"  {wrong}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
