"""The errors a person meets: each says what was wrong, where, what was expected and what to do.

Everything the command turns into a message instead of a traceback derives from ``BenchsuiteError``. Anything else that
escapes is a bug of ours (exit code 3).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class BenchsuiteError(Exception):
    """An expected failure with a message for a person; ``exit_code`` is what the command returns."""

    exit_code: int = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: where it stands and what is wrong there."""

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
    """Return problems as one meets them reading the files from the top."""
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


class ShapeError(BenchsuiteError):
    """Tensors or layers do not fit together; the message names the segment."""


class AdoptionError(ShapeError):
    """A module cannot be taken over as a network; the message names its layers."""


class SingularMapError(BenchsuiteError):
    """A rule that inverts segments met weights that have no inverse; ``segments`` names them in forward order."""

    def __init__(self, segments: Iterable[str]) -> None:
        self.segments = list(segments)
        one = len(self.segments) == 1
        super().__init__(
            f"the weight {'matrix' if one else 'matrices'} of {', '.join(self.segments)} became singular, so the rule "
            "could not invert; a lower learning rate or an orthogonality regulariser keeps matrices invertible"
        )


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the closest of ``choices``, or an empty string if none is close."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""
