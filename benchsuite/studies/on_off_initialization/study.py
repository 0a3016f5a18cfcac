"""The kind of study ``on_off_initialization``, as registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchsuite.registry import hookimpl
from benchsuite.studies.contract import Report, Study, StudyStep
from benchsuite.studies.on_off_initialization.result import Measured, OnOffInitializationResult
from benchsuite.studies.on_off_initialization.spec import OnOffInitializationSpec

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.results.studies import StudySummary

BENCHSUITE_CONTRACT = 1


class OnOffInitializationStudy(Study[OnOffInitializationSpec, OnOffInitializationResult]):
    """The GEVB paper's theory of its networks before training (sections 4 and 5)."""

    kind = "on_off_initialization"
    Spec = OnOffInitializationSpec
    Result = OnOffInitializationResult

    @property
    def steps(self) -> int:
        """Number of networks."""
        return len(self.spec.seeds) * len(self.spec.widths)

    def stream_seeds(self, seed: int) -> dict[str, int]:
        """Return the seed of each stream; a run with the same seed index has other seeds."""
        from benchsuite.studies.on_off_initialization.measure import stream_seeds

        return stream_seeds(seed)

    def run(self, rules: Mapping[str, type[Rule]], report: Report) -> OnOffInitializationResult:
        """Measure one network per width and seed."""
        from benchsuite.studies.on_off_initialization.measure import angles, spectrum

        measure = {"angles": angles, "spectrum": spectrum}[self.spec.quantity]
        networks: list[Measured] = []
        rows: tuple[str, ...] = ()
        for width in self.spec.widths:
            for seed in self.spec.seeds:
                found = measure(self.spec, width, seed)
                rows = tuple(found)
                networks.append(Measured(seed=seed, width=width, values=tuple(found.values())))
                report(StudyStep(f"n = {width:<5} seed {seed}", f"completed  {rows[0]} {networks[-1].values[0]:.2f}"))
        return OnOffInitializationResult(rows=rows, networks=tuple(networks))

    def problems(self, result: OnOffInitializationResult) -> list[str]:
        """Return missing networks, and networks without one finite number per row."""
        problems = []
        expected = sorted((width, seed) for width in self.spec.widths for seed in self.spec.seeds)
        if sorted((n.width, n.seed) for n in result.networks) != expected:
            problems.append("not one network per width and seed of the spec")
        if any(len(n.values) != len(result.rows) or not all(map(math.isfinite, n.values)) for n in result.networks):
            problems.append("a network without one finite number per row")
        return problems

    def summarize(self, result: OnOffInitializationResult) -> StudySummary:
        """Return each quantity's mean at each width."""
        from benchsuite.studies.on_off_initialization.summary import summary_of

        return summary_of(self.spec, result)


@hookimpl
def benchsuite_studies() -> Sequence[type[Study[Any, Any]]]:
    """Return this kind of study."""
    return [OnOffInitializationStudy]
