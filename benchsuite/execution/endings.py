"""Early endings of a run, and the status and reason that its record gives."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from benchsuite.errors import BenchsuiteError, IncompatibleError, SingularMapError
from benchsuite.errors import DivergedError as DivergedError
from benchsuite.errors import InterruptedRunError as InterruptedRunError
from benchsuite.errors import ProcessLostError as ProcessLostError
from benchsuite.execution.record_building import RunEnding
from benchsuite.records.model import HardwareUsed, RunStatus
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.trainer import TimeBudgetSpentError


@dataclass(frozen=True)
class LostRun:
    """Status and reason of a run whose process was lost."""

    reason: str
    status: RunStatus = "crashed"
    hardware: HardwareUsed | None = None
    """Device that the process used; None if it is not known."""
    output: str = ""
    """Last lines of its output."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class name if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def is_allocation_failure(error: BaseException) -> bool:
    """Return True if torch failed to allocate memory."""
    # torch's CPU allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def ending_of_training(error: Exception | SystemExit, protocol: ProtocolSpec) -> RunEnding | None:
    """Return the ending for an error that is a result of training, such as divergence; None for any other error."""
    match error:
        case TimeBudgetSpentError():
            return RunEnding("timed_out", str(error) or f"more than {protocol.timeout_s:g} s on the clock")
        case DivergedError() | SingularMapError():
            return RunEnding("diverged", str(error))
        case IncompatibleError():
            return RunEnding("incompatible", "; ".join(error.reasons))
    return None


def ending_from_error(error: Exception | SystemExit, device: str) -> RunEnding:
    """Return the ending for any other error; call it inside the ``except`` block, for the traceback."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or is_allocation_failure(error):
        return RunEnding("out_of_memory", f"out of memory on {device}: {first_line(error)}")
    if isinstance(error, SystemExit):
        return RunEnding("crashed", f"sys.exit({error.code!r}) was called during the run", traceback.format_exc())
    if isinstance(error, BenchsuiteError):
        return RunEnding("crashed", f"{error}{_place_in_plugin(error)}")
    reason = f"{type(error).__name__}: {first_line(error)}{_place_in_plugin(error)}"
    return RunEnding("crashed", reason, traceback.format_exc())


def _place_in_plugin(error: BaseException) -> str:
    """Return file, line and function of the innermost frame of the plugin that the error passed through, if any."""
    ours = {"benchsuite", "torch", "pluggy", "__main__", *sys.stdlib_module_names}
    frames = [
        (frame, line, frame.f_globals.get("__name__", "")) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    packages = [name.partition(".")[0] for _, _, name in frames]
    plugin = next((package for package in packages if package not in ours), None)
    if plugin is None:
        return ""
    frame, line, _ = [each for each, package in zip(frames, packages, strict=True) if package == plugin][-1]
    return f" ({Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name})"
