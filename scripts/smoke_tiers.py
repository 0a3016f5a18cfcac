"""Run the smoke tier of every track, one after another, and list exit codes, times and peak memory.

    python scripts/smoke_tiers.py [--rules backprop] [--timeout 300] [TRACK ...]

Data come from ``BENCHSUITE_DATA``. Ends with 1 if a track failed or took too long; tracks whose data are not there are
listed apart. All of them take about 20 minutes of one core, and the largest 5 GiB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psutil

from benchsuite.specs.loading.library import SpecLibrary, builtin_folder

COMMAND = (sys.executable, "-m", "benchsuite", "run")
NO_DATA = "benchsuite: data set "
"""Start of the message of a command whose data are missing."""
POLL_S = 0.05


@dataclass(frozen=True)
class Outcome:
    """One track's smoke tier."""

    track: str
    exit_code: int | None
    """None if it was stopped after the time limit."""
    seconds: float
    peak_mib: float
    """Largest resident memory seen of all its processes together."""
    last_line: str

    @property
    def word(self) -> str:
        """Return ``passed``, ``failed``, ``too slow`` or ``no data``."""
        if self.exit_code is None:
            return "too slow"
        if self.exit_code and self.last_line.startswith(NO_DATA):
            return "no data"
        return "failed" if self.exit_code else "passed"


def run_track(track: str, arguments: Sequence[str], timeout_s: float, command: Sequence[str] = COMMAND) -> Outcome:
    """Run one track and wait for it; it and its children are killed at the time limit."""
    start = time.monotonic()
    peak = 0.0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as store:
        given = [*command, track, "--tier", "smoke", "--store", store, *arguments]
        process = psutil.Popen(
            given, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        code: int | None = None
        while (code := process.poll()) is None and time.monotonic() - start < timeout_s:
            peak = max(peak, _resident_mib(process))
            time.sleep(POLL_S)
        if code is None:
            for each in _with_children(process):
                each.kill()
            process.wait()
        output.seek(0)
        lines = [line.strip() for line in output if line.strip()]
    return Outcome(track, code, time.monotonic() - start, peak, lines[-1] if lines else "")


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return []


def _resident_mib(process: psutil.Process) -> float:
    total = 0
    for each in _with_children(process):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the counts and the spread of times in one line."""
    words = [outcome.word for outcome in outcomes]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    times = [outcome.seconds for outcome in outcomes if outcome.word == "passed"]
    spread = f"; {min(times):.0f} to {max(times):.0f} s, median {median(times):.0f} s" if times else ""
    return f"{len(words)} tracks: {counts}{spread}"


def main() -> int:
    """Run the tracks and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tracks", nargs="*", metavar="TRACK", help="tracks to run; all if none is given")
    parser.add_argument("--rules", default="backprop", help="rules to run (default: backprop)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one track (default: 300)")
    options = parser.parse_args()
    arguments = ["--rules", options.rules, "--seeds", "1", "--tracking-uri", "none"]
    outcomes = []
    for track in options.tracks or SpecLibrary([builtin_folder()]).names("tracks"):
        found = run_track(track, arguments, options.timeout)
        outcomes.append(found)
        reason = "" if found.word == "passed" else f"  {found.last_line}"
        print(f"{found.word:8}  {found.seconds:6.1f} s  {found.peak_mib:6.0f} MiB  {track}{reason}", flush=True)
    print(summary(outcomes))
    return int(any(outcome.word in {"failed", "too slow"} for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
