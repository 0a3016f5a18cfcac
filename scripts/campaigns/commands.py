"""Start commands of the suite, follow what their store shows of their progress, and compare what they leave."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from combinations import Combination, ExecutorName

from benchsuite.files import TEMPORARY_FILES
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY))

from tests.warm import Process as Process  # noqa: E402
from tests.warm import WarmPython, end  # noqa: E402

TORCHRUN = str(REPOSITORY / "tests" / "training" / "warm_torchrun.py")
PATIENCE_S = 600.0
POLL_S = 0.005
LONG_AGO_S = 2 * 3600.0

OBEY_PERMISSIONS = """
import os, sys
without = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
os.execvp("setpriv", [*without, sys.executable, *sys.argv[1:]])
"""
"""Program that starts Python without root's power to ignore the permissions of files."""

SAVE_OFTEN = """
from benchsuite.execution import checkpointing
BENCHSUITE_CONTRACT = 1
checkpointing.CHECKPOINT_EVERY_S = 0.0
"""
"""Module of a plugin: a run of seconds saves its state after each epoch, in whatever process it is made."""


class Commands:
    """Starter of commands with one thread, which save after every epoch.

    Commands are forked from one interpreter that has imported torch, since that takes longer than their runs.

    Args:
        folder: temporary; gets the outputs of commands, and the plugin.

    """

    def __init__(self, folder: Path) -> None:
        # So that a campaign that is ended from outside stops its servers too.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
        self.folder = folder
        self._python = WarmPython(folder)
        self._plugins = folder / "plugins"
        metadata = self._plugins / "save_often-1.dist-info"
        metadata.mkdir(parents=True)
        (self._plugins / "save_often.py").write_text(SAVE_OFTEN, encoding="utf-8")
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: save-often\nVersion: 1\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text("[benchsuite]\nsave_often = save_often\n", encoding="utf-8")
        os.environ["OMP_NUM_THREADS"] = "1"  # read when the first command starts the interpreter

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command, and of a cluster on which it makes runs."""
        path = os.pathsep.join([str(self._plugins), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {name: value for name, value in os.environ.items() if not name.startswith("BENCHSUITE_")}
        return own | {"PYTHONPATH": path} | more

    def start(
        self, *arguments: str, executor: ExecutorName = "local", program: str = "", **environment: str
    ) -> Process:
        """Start ``benchsuite ARGUMENTS``, in two ranks if the executor is torchrun, else by Python code if given."""
        first = (TORCHRUN,) if executor == "torchrun" else ("-c", program) if program else ()
        return self._python.start(
            *first, "-m", "benchsuite", *arguments, cwd=self.folder, environment=self.environment(**environment)
        )

    def start_run(
        self,
        combination: Combination,
        store: Path,
        *,
        seeds: int,
        tracking_uri: str = "none",
        program: str = "",
        **environment: str,
    ) -> Process:
        """Start ``benchsuite run`` of a combination with its executor, by Python code if given."""
        executor = combination.executor
        return self.start(
            "run",
            str(combination.write_track(self.folder)),
            *("--rules", combination.rule, "--seeds", str(seeds), "--hardware", "cpu"),
            *(("--set", "hardware.world_size=2") if executor == "torchrun" else ("--executor", executor)),
            *("--tracking-uri", tracking_uri, "--store", str(store), "--json"),
            executor=executor,
            program=program,
            **environment,
        )

    def close(self) -> None:
        """End the interpreter."""
        self._python.close()


def outcome_of(process: Process) -> tuple[int, str, str]:
    """Wait for a command's end; return its exit code, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        end(process)
    assert process.returncode is not None  # noqa: S101 - it has ended
    return process.returncode, out, err


def is_a_bug(err: str) -> bool:
    """Return True if a command's standard error has a traceback of its own; torchrun logs those of killed ranks."""
    return any(line.startswith("Traceback (") or "bug of benchsuite" in line for line in err.splitlines())


def tree_of(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started, in any depth; empty if it is gone."""
    with suppress(psutil.Error):
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    return []


class Progress:
    """Steps of a store's runs, seen from outside: a marker, a checkpoint or a record that is new or has changed."""

    def __init__(self, store: Path) -> None:
        self.store = RecordStore(store)
        self.steps = 0
        self._seen: dict[Path, int] = dict(self._changes())

    def _changes(self) -> Iterator[tuple[Path, int]]:
        store = self.store
        for folder in (store.running_folder, store.checkpoints_folder, store.records_folder):
            for path in folder.glob("[!.]*"):
                with suppress(OSError):
                    yield path, path.stat().st_mtime_ns

    def look(self) -> int:
        """Return the number of steps seen so far."""
        now = dict(self._changes())
        self.steps += sum(self._seen.get(path) != changed for path, changed in now.items())
        self._seen = now
        return self.steps

    def wait_for(self, steps: int, process: Process) -> bool:
        """Wait until so many steps more were seen; return False if the command ended before."""
        wanted = self.steps + steps
        deadline = time.monotonic() + PATIENCE_S
        while self.look() < wanted:
            if process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise TimeoutError(f"no progress in {self.store.root} for {PATIENCE_S:g} s")
            time.sleep(POLL_S)
        return process.poll() is None


def records_of(store: Path) -> dict[str, RunRecord]:
    """Return the readable records of a store."""
    return {found.run_id: found for found in RecordStore(store).read_all() if isinstance(found, RunRecord)}


def numbers_of(record: RunRecord) -> Any:
    """Return all of a record but times, its command, and the number of times that it was resumed."""
    content = record.model_dump(
        mode="json", exclude={"timing", "started_at", "ended_at", "command", "resumed", "environment"}
    )
    timed = {"train_time_s", "images_per_s"}
    for part in ("epochs", "pretraining"):
        content[part] = [{k: v for k, v in epoch.items() if k not in timed} for epoch in content[part]]
    return content


def left_over_in(store: Path) -> list[str]:
    """Return what an ended command should not have left: markers, locks, checkpoints and temporary files."""
    found = [*store.glob("running/*"), *store.glob("checkpoints/*"), *store.rglob(TEMPORARY_FILES)]
    return sorted({str(path.relative_to(store)) for path in found})


def age(store: Path) -> None:
    """Make temporary files look hours old: a command deletes those only that no other can be writing."""
    then = time.time() - LONG_AGO_S
    for path in store.rglob(TEMPORARY_FILES):
        with suppress(OSError):
            os.utime(path, (then, then))


def kill(process: psutil.Process) -> bool:
    """Send SIGKILL to a process; False if it has ended before."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.Error:
        return False
    return True
