"""The ways in which a run stops before its end, and what is told of them."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import torch

from benchsuite.errors import BenchsuiteError, IncompatibleError, SingularMapError
from benchsuite.errors import DivergedError as DivergedError
from benchsuite.errors import InterruptedRunError as InterruptedRunError
from benchsuite.errors import ProcessLostError as ProcessLostError
from benchsuite.execution.record_building import RunEnding
from benchsuite.records.model import RunStatus
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.trainer import TimeBudgetSpentError


@dataclass(frozen=True)
class LostRun:
    """What became of a run whose process is gone."""

    reason: str
    status: RunStatus = "crashed"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def is_allocation_failure(error: Exception) -> bool:
    """Whether torch could not have the memory it asked for."""
    # torch's CPU allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def ending_of_training(error: Exception, protocol: ProtocolSpec) -> RunEnding | None:
    """Return what a record says of an error that is a result of training; None if it is none."""
    match error:
        case TimeBudgetSpentError():
            return RunEnding("timed_out", f"more than {protocol.timeout_s:g} s on the clock")
        case DivergedError() | SingularMapError():
            return RunEnding("diverged", str(error))
        case IncompatibleError():
            return RunEnding("incompatible", "; ".join(error.reasons))
    return None


def ending_from_error(error: Exception, device: str) -> RunEnding:
    """Return what a record says of an error that is no result of training; call it where the error is being handled."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or is_allocation_failure(error):
        return RunEnding("out_of_memory", f"out of memory on {device}: {first_line(error)}")
    if isinstance(error, BenchsuiteError):
        return RunEnding("crashed", str(error))
    return RunEnding("crashed", f"{type(error).__name__}: {first_line(error)}", traceback.format_exc())
