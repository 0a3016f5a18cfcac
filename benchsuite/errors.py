"""Tree of the suite's exceptions that one module raises and another catches.

Each message says what was wrong, where, what was expected and what to do. For a ``BenchsuiteError`` the command prints
the message and returns the exit code, without a traceback. Any other exception that escapes, and any
``ControlFlowError``, is a bug of the suite (exit code 3)::

    BenchsuiteError
    ├── SpecError               a spec, an override or a selection is wrong
    ├── EmptySelectionError     nothing is selected
    ├── IncompatibleError       a rule cannot work in a network
    ├── DataError               a data set is missing or damaged
    ├── HardwareError           the machine lacks what is asked for
    ├── PluginError             a plugin or a rule cannot be used
    ├── StoreError              a result store cannot be read or written
    │   ├── DamagedFileError        a file of the store is not as it was written
    │   └── MirrorError         the mirror in MLflow could not be updated
    │       └── MirrorBusyError     its lock was held for too long
    ├── ShapeError              tensors or layers do not fit together
    │   └── AdoptionError       a module cannot be taken over as a network
    ├── SingularMapError        a weight matrix had no inverse
    ├── ProcessLostError        one of several processes could not continue
    ├── HostReadError           a rule read a tensor's value on the host (also an AssertionError, for pytest)
    └── ControlFlowError        raised to stop a run or a measurement; always caught inside the suite
        ├── DivergedError           a loss stopped being finite
        ├── TimeBudgetSpentError    the protocol's time budget is over
        ├── InterruptedRunError     the person or the system asked to stop
        ├── RunningElsewhereError   another process is making this run
        ├── NotCapturableError      a training step cannot be recorded and replayed
        ├── PartSkippedError        a part of a self-test cannot be made here
        ├── PartFailedError         a part of a self-test found problems
        └── InconclusiveError       a test of the audit cannot see how a rule works

``except BenchsuiteError`` catches all of them. Where control flow may pass through, catch ``ControlFlowError`` first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchsuite.records.model import RunRecord


class BenchsuiteError(Exception):
    """An expected failure with a message for a person; ``exit_code`` is what the command returns."""

    exit_code: int = 2


@dataclass(frozen=True)
class Problem:
    """One problem in a request: its place and a message."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    field: str | None = None

    @property
    def place(self) -> str:
        """``file:line:column`` as far as known, the form that editors make clickable."""
        parts = [self.file or "", *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(p for p in parts if p)

    def __str__(self) -> str:
        """One line: place, field, message."""
        head = f"{self.place} " if self.place else ""
        return f"{head}{self.field}: {self.message}" if self.field else f"{head}{self.message}"


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems sorted by file, line and column."""
    return sorted(problems, key=lambda p: (p.file or "", p.line or 0, p.column or 0))


class SpecError(BenchsuiteError):
    """A spec, an override or a selection that cannot be used; carries every problem, in file order."""

    def __init__(self, problems: Iterable[Problem], subject: str = "request") -> None:
        self.problems = in_file_order(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"{subject}: {count}, nothing was run", *(f"  {p}" for p in self.problems)]
        super().__init__("\n".join(lines))


class EmptySelectionError(BenchsuiteError):
    """The request was well formed but selects nothing."""

    exit_code = 5


class IncompatibleError(BenchsuiteError):
    """A rule cannot work in a network; ``reasons`` says why, one sentence each."""

    def __init__(self, rule: str, reasons: Iterable[str]) -> None:
        self.rule = rule
        self.reasons = list(reasons)
        super().__init__(f"{rule}: " + "; ".join(self.reasons))


class DataError(BenchsuiteError):
    """A data set is missing, damaged or not what the spec says; the message names the remedy."""


class HardwareError(BenchsuiteError):
    """The machine cannot give what the hardware spec asks for."""


class PluginError(BenchsuiteError):
    """A plugin or a rule cannot be used; the message names its origin."""


class StoreError(BenchsuiteError):
    """A result store cannot be read or written."""

    exit_code = 1


class DamagedFileError(StoreError):
    """A file of a store is not as it was written; the message says what is wrong, its catcher knows which file."""


class MirrorError(StoreError):
    """The mirror in MLflow could not be updated; records are not affected."""


class MirrorBusyError(MirrorError):
    """Other processes held the store's lock for too long; try again later."""


class ShapeError(BenchsuiteError):
    """Tensors or layers do not fit together; the message names the segment."""


class AdoptionError(ShapeError):
    """A module cannot be taken over as a network; the message names its layers."""


class SingularMapError(BenchsuiteError):
    """A rule that inverts weights found some without an inverse; ``segments`` names their segments in forward order."""

    def __init__(self, segments: Iterable[str]) -> None:
        self.segments = list(segments)
        one = len(self.segments) == 1
        super().__init__(
            f"the weight {'matrix' if one else 'matrices'} of {', '.join(self.segments)} became singular, so the rule "
            "could not invert; a lower learning rate or an orthogonality regulariser keeps matrices invertible"
        )


class ProcessLostError(BenchsuiteError):
    """One of several processes could not continue, so none of them can; torchrun ends the others."""

    exit_code = 1

    def __init__(self, rank: int, reason: str) -> None:
        super().__init__(f"process {rank}: {reason}; the run stopped in all processes, run again to continue")


class HostReadError(BenchsuiteError, AssertionError):
    """A tensor's value was read on the host."""


class ControlFlowError(BenchsuiteError):
    """Base of exceptions that stop a run or measurement, always caught inside the suite; one that escapes is a bug."""

    exit_code = 3


class DivergedError(ControlFlowError):
    """A loss stopped being a finite number."""


class TimeBudgetSpentError(ControlFlowError):
    """The protocol's time budget, ``timeout_s``, is over."""


class InterruptedRunError(ControlFlowError):
    """The person or the system asked to stop the run; ``record`` is the run's record."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__(record.run_id)
        self.record = record


class RunningElsewhereError(ControlFlowError):
    """Another live process is making this run."""


class NotCapturableError(ControlFlowError):
    """A training step cannot be recorded once and replayed; the message gives the reasons."""


class PartSkippedError(ControlFlowError):
    """A part of a self-test cannot be made here, and nothing is wrong with that; the message says why."""


class PartFailedError(ControlFlowError):
    """A part of a self-test found problems; the message names them."""


class InconclusiveError(ControlFlowError):
    """The rule works in a way that the test cannot see; the message says how."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the closest of ``choices``, or an empty string if none is close."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""
