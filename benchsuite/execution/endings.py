"""Early endings of a run, and the status and reason that its record gives."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

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
        return RunEnding("crashed", str(error))
    return RunEnding("crashed", f"{type(error).__name__}: {first_line(error)}", traceback.format_exc())
