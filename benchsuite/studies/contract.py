"""The contract between the suite and a kind of study.

A study tests a theoretical result in a setting of its own. A plugin returns its class from the hook
``benchsuite_studies``; ``benchsuite run`` then runs every spec of that kind, records its result, finds it again and
shows it. Importing this module imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from benchsuite.records.study import StudyResult
from benchsuite.specs.models.study import StudySpec

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.results.studies import StudySummary

SpecT = TypeVar("SpecT", bound=StudySpec)
ResultT = TypeVar("ResultT", bound=StudyResult)


@dataclass(frozen=True)
class StudyStep:
    """One finished step of a study, for the display of progress.

    Attributes:
        label: name of the step, such as a row of the table and a seed.
        outcome: status and value in a few words.
    """

    label: str
    outcome: str


Report = Callable[[StudyStep], None]
"""Called by a study after each of its steps."""


class Study(ABC, Generic[SpecT, ResultT]):
    """One study, made from its spec.

    A kind of study sets the class attributes and implements ``run`` and ``summarize``; the rest has defaults.

    Attributes:
        kind: value of ``kind:`` in its spec files.
        Spec: model of its spec files, with ``kind: Literal[kind]``.
        Result: model of its result in a record.
        spec: the spec.
    """

    kind: ClassVar[str]
    Spec: ClassVar[type[StudySpec]]
    Result: ClassVar[type[StudyResult]]

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec

    @abstractmethod
    def run(self, rules: Mapping[str, type[Rule]], report: Report) -> ResultT:
        """Run everything and return the result.

        A part that diverges is a result, not an exception. Use only the seeds of the spec: the same spec gives the same
        numbers.

        Args:
            rules: the classes of the rules that ``rules`` names.
            report: to be called after each step.

        """

    @abstractmethod
    def summarize(self, result: ResultT) -> StudySummary:
        """Return the tables and figures of a result, also of one from another machine."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules that the study runs; a change of their source makes it run again."""
        return ()

    @property
    def steps(self) -> int:
        """Number of steps that ``run`` reports."""
        return len(self.spec.seeds)

    def stream_seeds(self, seed: int) -> dict[str, int]:
        """Return the seed of each random stream at one seed index, for the record."""
        return {"study": seed}

    def problems(self, result: ResultT) -> list[str]:
        """Return contradictions between the spec and a valid result, such as missing seeds; empty if there are none."""
        return []
