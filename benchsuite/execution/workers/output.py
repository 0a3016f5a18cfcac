"""Log of a worker that died, and the reason why it ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

TAIL_LINES = 60
TAIL_BYTES = 8000


def tail_of(log: Path) -> str:
    """Return the last lines of a log, without what a terminal would take for a command; empty if there are none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    lines = ["".join(c for c in line if c.isprintable() or c == "\t") for line in text.splitlines()]
    return "\n".join(lines[-TAIL_LINES:]).strip()


def remove_if_empty(log: Path) -> None:
    """Delete a log in which nothing was written."""
    try:
        if not log.stat().st_size:
            log.unlink()
    except OSError:
        return


def described_end(status: int) -> str:
    """Return how a process ended, from the status that ``os.waitpid`` gave."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "a signal without a name"
        return f"was ended by signal {number} ({name})"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}, without a record"


def was_killed(status: int) -> bool:
    """Return True if a process was ended by SIGKILL, as by the kernel when memory runs out."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def memory_kills() -> int:
    """Return how many processes the kernel has killed for want of memory; 0 if it does not say (not on Linux)."""
    try:
        counters = dict(line.split() for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return 0
    return int(counters.get("oom_kill", 0))
