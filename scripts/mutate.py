"""Break the code in one-line ways and see that a test notices each.

    python scripts/mutate.py [--jobs N] [--timeout SECONDS] [NAME …]

Works on copies of the checkout in a temporary folder. Runs all named tests on the sound code first, then those of each
sabotage up to the first failure. Exits with 1 if a sabotage survives, or no longer fits the code. All of them take
about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from sabotages import SABOTAGES, Sabotage

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = (
    *("benchsuite", "benchmarks", "docs", "examples", "leaderboard", "plugins", "scripts", "specs", "tests"),
    *(".ci", "CHANGELOG.md", "CITATION.cff", "README.md", "pyproject.toml"),
)
"""Files and folders that tests read."""
PASSED = 0
CAUGHT = {1, 2}
"""pytest's exit codes when a test fails, and when the broken code cannot even be imported."""
BASELINE_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Outcome:
    """The result of one sabotage.

    Attributes:
        sabotage: the sabotage.
        why: why it counts as a survivor; None if a test caught it.
        seconds: how long its tests took.

    """

    sabotage: Sabotage
    why: str | None
    seconds: float


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout that may be broken."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Checkout:
        """Copy what tests need into an empty folder."""
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        return cls(folder)

    def test(self, tests: list[str], timeout_s: float, jobs: int = 0) -> int | None:
        """Run tests up to the first failure; returns pytest's exit code, or None if it took too long."""
        # pyproject's own options are for whole runs: workers, slowest tests, summaries.
        options = ["-o", "addopts=--import-mode=importlib", "-m", "not slow and not full", "-x", "-q"]
        command = [sys.executable, "-m", "pytest", *options, "-n", str(jobs), "-p", "no:cacheprovider", *tests]
        paths = os.pathsep.join(str(self.folder / part) for part in (".", "plugins", "leaderboard"))
        # One thread each: workers beside each other would fight over the cores. Bytecode is shared, and kept where the
        # environment would leave it out, since compiling torch takes longer than most of these tests.
        bytecode = str(self.folder.parent / "bytecode")
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": bytecode}
        for name in ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        with self.output.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        try:
            code: int = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever a test that was cut off has started
        return code

    @property
    def output(self) -> Path:
        """File with what pytest said last."""
        return self.folder / "pytest-output.txt"

    def try_out(self, sabotage: Sabotage, timeout_s: float) -> Outcome:
        """Apply a sabotage, run its tests, and undo it."""
        target = self.folder / sabotage.file
        original = target.read_text(encoding="utf-8")
        if sabotage.line not in original:
            return Outcome(sabotage, "does not fit the code any more", 0.0)
        target.write_text(original.replace(sabotage.line, sabotage.broken), encoding="utf-8")
        started = time.monotonic()
        try:
            code = self.test(sabotage.tests.split(), timeout_s)
        finally:
            target.write_text(original, encoding="utf-8")
        return Outcome(sabotage, _why_survived(code, timeout_s), time.monotonic() - started)


def _why_survived(code: int | None, timeout_s: float) -> str | None:
    if code is None:
        return f"no test failed within {timeout_s:.0f} s"
    if code == PASSED:
        return "no test failed"
    return None if code in CAUGHT else f"pytest ended with exit code {code}: its tests could not run"


def run_all(chosen: list[Sabotage], folder: Path, jobs: int, timeout_s: float) -> list[Outcome]:
    """Try out sabotages, as many at once as there are jobs, each job in a copy of its own; print each as it ends."""
    free: queue.SimpleQueue[Checkout] = queue.SimpleQueue()
    for job in range(jobs):
        free.put(Checkout.make(folder / str(job)))

    def try_out(sabotage: Sabotage) -> Outcome:
        checkout = free.get()
        try:
            return checkout.try_out(sabotage, timeout_s)
        finally:
            free.put(checkout)

    outcomes = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(try_out, sabotage) for sabotage in chosen]):
            outcome = done.result()
            verdict, why = ("SURVIVES", f": {outcome.why}") if outcome.why else ("caught  ", "")
            print(f"{verdict} {outcome.seconds:6.1f} s  {outcome.sabotage.name}{why}", flush=True)
            outcomes.append(outcome)
    return outcomes


def summarize(outcomes: list[Outcome], seconds: float) -> str:
    """Return what survived, what took longest, and how long all took."""
    survivors = [o for o in outcomes if o.why]
    slowest = sorted(outcomes, key=lambda o: o.seconds, reverse=True)[:5]
    return "\n".join(
        [
            f"{len(outcomes) - len(survivors)} of {len(outcomes)} sabotages caught in {seconds / 60:.1f} minutes",
            *(f"  survives: {o.sabotage.name} ({o.why})" for o in survivors),
            *(f"  slowest: {o.seconds:.1f} s  {o.sabotage.name}" for o in slowest),
        ]
    )


def main() -> int:
    """Run all sabotages, or those named, and say which survive."""
    parser = argparse.ArgumentParser(description="Break the code in one-line ways and see that a test notices each.")
    parser.add_argument("names", nargs="*", help="words of the names of those to try; all if none is given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=300.0, help="seconds for one sabotage's tests (default: %(default)s)"
    )
    given = parser.parse_args()
    chosen = [s for s in SABOTAGES if not given.names or any(word in s.name for word in given.names)]
    if not chosen:
        parser.error(f"no sabotage's name has {' or '.join(given.names)} in it")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # Tests that fail anyway would catch everything.
        tests = sorted({path for sabotage in chosen for path in sabotage.tests.split()})
        sound = Checkout.make(Path(folder) / "sound")
        if sound.test(tests, BASELINE_TIMEOUT_S, given.jobs) != PASSED:
            print(sound.output.read_text(encoding="utf-8")[-4000:])
            print("the tests fail, or take too long, before anything is broken: see above")
            return 1
        print(f"tests pass on the code as it is ({time.monotonic() - started:.0f} s)", flush=True)
        outcomes = run_all(chosen, Path(folder), given.jobs, given.timeout)
    print(summarize(outcomes, time.monotonic() - started))
    return 1 if any(outcome.why for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
