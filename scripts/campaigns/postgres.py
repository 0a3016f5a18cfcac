"""Mirror several stores at once into MLflow on PostgreSQL, kill the server meanwhile, and compare with the records.

    uv run --with psycopg2-binary python scripts/campaigns/postgres.py [--stores N] [--seed N] [--binaries FOLDER]

Starts a PostgreSQL server of its own in a temporary folder, on a port of this machine only; as root, under the user
``postgres`` or ``nobody``, since the server refuses root. Each store gets a command that makes two runs, and all mirror
into one new database. The server is killed at a random moment and started again. After ``benchsuite sync`` of each
store, MLflow must have every run once, with every number of its record; ``benchsuite export --from-mlflow`` must equal
``benchsuite export`` of the stores byte for byte. Prints counts; exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from combinations import COMBINATIONS, Combination
from commands import Commands, Progress, is_a_bug, outcome_of, records_of, tree_of

from benchsuite.records.mlflow.connection import import_mlflow
from benchsuite.records.mlflow.mapping import RUN_ID_TAG
from benchsuite.records.mlflow.points import record_points
from benchsuite.records.model import RunRecord

SEEDS = 2
LOCAL = tuple(replace(c, executor="local") for c in COMBINATIONS if c.executor in ("local", "inline"))
"""One per store: equal ids of runs of two stores would be one file of an export."""
PLACES = "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"
USERS = "postgres", "nobody"
START_S = 120.0


class Server:
    """A PostgreSQL server that can be killed and started again.

    Args:
        binaries: folder of ``initdb`` and ``pg_ctl``.
        folder: temporary; gets the database.

    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._pg_ctl = binaries / "pg_ctl"
        self._user = None if os.getuid() else _unprivileged_user()
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        if self._user is not None:
            shutil.chown(self.data, self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._call(binaries / "initdb", "-A", "trust", "-U", "benchsuite", "-E", "UTF8", "--locale=C")
        self.start()

    @property
    def uri(self) -> str:
        """Return the address of the database for MLflow."""
        # The driver is named: which one SQLAlchemy takes by itself depends on its version.
        return f"postgresql+psycopg2://benchsuite@127.0.0.1:{self.port}/postgres"

    def _call(self, program: Path, *arguments: str) -> None:
        # Output goes to a file: the server inherits it, and a pipe would stay open for as long as that runs.
        with (self.data.parent / "output").open("w+") as output:
            done = subprocess.run(
                [program, "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
                cwd="/",
                check=False,
            )
            output.seek(0)
            if done.returncode:
                raise SystemExit(f"{program.name} ended with {done.returncode}: {output.read()[-1500:]}")

    def start(self) -> None:
        """Start, or start again after a kill, and wait until it takes connections."""
        # No fsync: a killed server loses nothing that it wrote, only a machine without power would.
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call(self._pg_ctl, "start", "-w", "-t", f"{START_S:.0f}", "-o", options, "-l", str(self.data / "log"))

    def kill(self) -> None:
        """Send SIGKILL to the server and the processes of its connections."""
        with suppress(OSError, ValueError):
            tree = tree_of(int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0]))
            for process in tree:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(tree, timeout=30)


def _unprivileged_user() -> str:
    for name in USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise SystemExit(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}")


def binaries_folder(given: Path | None) -> Path:
    """Return the folder of PostgreSQL's programs."""
    on_path = shutil.which("initdb")
    found = [given] if given else [Path(on_path).resolve().parent] if on_path else []
    for pattern in PLACES:
        found += sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise SystemExit("needs PostgreSQL's server: apt-get install postgresql, or --binaries FOLDER with initdb")


@dataclass
class Counts:
    """Results of the campaign."""

    runs: int = 0
    warned: int = 0
    synced: int = 0
    once: int = 0
    histories: int = 0
    numbers: int = 0
    exported: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """True if every run is there once, with its numbers and its file."""
        return self.runs == self.once == self.histories == self.exported > 0 and not self.wrong


def disturb(server: Server, commands: Commands, stores: dict[Path, Combination], draw: random.Random) -> Counts:
    """Run a command per store, kill the server meanwhile and start it again; then mirror what is missing."""
    counts = Counts()
    processes = {
        store: commands.start_run(combination, store, seeds=SEEDS, tracking_uri=server.uri)
        for store, combination in stores.items()
    }
    watched = draw.choice(sorted(stores))
    Progress(watched).wait_for(draw.choice([1, 2, 4, 8]), processes[watched])
    server.kill()
    time.sleep(draw.uniform(0, 8))
    server.start()
    for process in processes.values():
        code, _, err = outcome_of(process)
        counts.warned += bool(err.strip())
        if code or is_a_bug(err):
            counts.wrong.append(f"a command ended with {code}: {err[-1500:]}")
    for store in stores:
        code, _, err = outcome_of(commands.start("sync", "--store", str(store), "--tracking-uri", server.uri))
        counts.synced += code == 0
        if code or is_a_bug(err):
            counts.wrong.append(f"sync ended with {code}: {err[-1500:]}")
    return counts


def compare_numbers(uri: str, records: list[RunRecord], counts: Counts) -> None:
    """Count the runs that MLflow has once, and those of which it has every number as in the record."""
    client = import_mlflow()(tracking_uri=uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    times = Counter(run.data.tags.get(RUN_ID_TAG) for run in found)
    by_id = {run.data.tags.get(RUN_ID_TAG): run.info.run_id for run in found}
    for record in records:
        if times[record.run_id] != 1:
            counts.wrong.append(f"MLflow has {record.run_id} {times[record.run_id]} times")
            continue
        counts.once += 1
        expected = {point.key_and_step: point.value for point in record_points(record)}
        history = [
            ((metric.key, metric.step), metric.value)
            for key in sorted({key for key, _ in expected})
            for metric in client.get_metric_history(by_id[record.run_id], key)
        ]
        counts.numbers += len(history)
        if len(history) == len(expected) and dict(history) == expected:
            counts.histories += 1
        else:
            counts.wrong.append(f"MLflow's numbers of {record.run_id} differ: {len(history)} of {len(expected)}")
    if len(found) != len(records):
        counts.wrong.append(f"MLflow has {len(found)} runs, the stores {len(records)}")


def compare_exports(uri: str, stores: list[Path], commands: Commands, folder: Path, counts: Counts) -> None:
    """Count the files that an export from MLflow and one of the stores have alike."""
    sources = [("stores", ["--store", str(store)]) for store in stores] + [("mlflow", ["--from-mlflow", uri])]
    for name, source in sources:
        code, _, err = outcome_of(commands.start("export", "--out", str(folder / name), *source))
        if code:
            counts.wrong.append(f"export of {' '.join(source)} ended with {code}: {err[-1500:]}")
    exported = {name: _files(folder / name) for name in ("stores", "mlflow")}
    counts.exported = len(exported["stores"].items() & exported["mlflow"].items())
    for path in sorted(exported["stores"].keys() ^ exported["mlflow"].keys()):
        counts.wrong.append(f"in one export only: {path}")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def main() -> int:
    """Make the campaign and print its counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stores", type=int, default=4, choices=range(1, len(LOCAL) + 1), help="at once")
    parser.add_argument("--seed", type=int, default=0, help="of moments")
    parser.add_argument("--binaries", type=Path, help="folder of initdb and pg_ctl")
    arguments = parser.parse_args()
    if importlib.util.find_spec("psycopg2") is None:
        raise SystemExit("needs psycopg2: uv run --with psycopg2-binary python scripts/campaigns/postgres.py")
    binaries = binaries_folder(arguments.binaries)
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-postgres-"))
    folder.chmod(0o755)  # the server's user passes through
    commands = Commands(folder)
    draw = random.Random(arguments.seed)  # noqa: S311 - a moment, not a secret
    server = Server(binaries, folder / "server")
    try:
        stores = {folder / f"store-{number}": LOCAL[number] for number in range(arguments.stores)}
        counts = disturb(server, commands, stores, draw)
        records = [record for store in stores for record in records_of(store).values()]
        counts.runs = SEEDS * len(stores)
        compare_numbers(server.uri, records, counts)
        compare_exports(server.uri, list(stores), commands, folder / "exports", counts)
    finally:
        commands.close()
        server.kill()
    row = "{:>6} {:>5} {:>7} {:>7} {:>5} {:>10} {:>8} {:>9}"
    print(row.format("stores", "runs", "warned", "synced", "once", "histories", "numbers", "exported"))
    figures = (counts.warned, counts.synced, counts.once, counts.histories, counts.numbers, counts.exported)
    print(row.format(len(stores), counts.runs, *figures))
    for wrong in counts.wrong:
        print(f"  {wrong}")
    if counts.is_right:
        shutil.rmtree(folder)
        return 0
    print(f"something is wrong; stores and outputs are in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
