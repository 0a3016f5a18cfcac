"""Which runs are still training: the markers that processes leave in ``<store>/running`` while they work."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

# A process id is given anew after thousands of others; one that began this near to the marker's is the marker's own.
SAME_START_S = 30.0


class RunningMarker(BaseModel):
    """What a process writes to ``<store>/running/<run_id>.json`` before a run and removes after its record."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    pid: int
    host: str
    process_started_at: float | None = None
    """Seconds since 1970, from ``process_started_at``; None where the system does not tell."""
    started_at: str | float | None = None


def process_started_at(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None if it is gone or the system does not tell (no /proc)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        ticks = float(after_name.split()[19])
        boot = next(
            float(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
            if line.startswith("btime ")
        )
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def is_alive(marker: RunningMarker) -> bool:
    """Whether the marker's process may still be running; in doubt, and on other hosts, yes."""
    if marker.host != socket.gethostname() or os.name == "nt":  # on Windows, os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(marker.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    began = process_started_at(marker.pid)
    if began is None or marker.process_started_at is None:
        return True
    return abs(began - marker.process_started_at) < SAME_START_S


def alive_run_ids(running_folder: Path) -> set[str]:
    """Return the ids of runs that have a marker of a live process; a marker that cannot be read counts as one."""
    alive: set[str] = set()
    for path in running_folder.glob("*.json"):
        try:
            marker = RunningMarker.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            continue  # the run ended just now
        except (OSError, ValidationError):
            alive.add(path.stem)
            continue
        if is_alive(marker):
            alive.add(path.stem)
    return alive
