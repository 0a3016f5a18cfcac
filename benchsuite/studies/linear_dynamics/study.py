"""The kind of study ``linear_dynamics``, as registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchsuite.registry import hookimpl
from benchsuite.studies.contract import Report, Study, StudyStep
from benchsuite.studies.linear_dynamics.result import LinearDynamicsResult, Trajectory
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.results.studies import StudySummary

BENCHSUITE_CONTRACT = 1

LEARNED_FEEDBACK_RULE = "updated_random_feedback"
EXACT_RULE = "backprop"


class LinearDynamicsStudy(Study[LinearDynamicsSpec, LinearDynamicsResult]):
    """The URFB paper's deep linear network (Fig. 12): one trajectory per seed and rate ε, and backprop's."""

    kind = "linear_dynamics"
    Spec = LinearDynamicsSpec
    Result = LinearDynamicsResult

    @property
    def rules(self) -> tuple[str, ...]:
        """Both rules that are compared."""
        return LEARNED_FEEDBACK_RULE, EXACT_RULE

    @property
    def steps(self) -> int:
        """Number of trajectories."""
        return len(self.spec.seeds) * (len(self.spec.feedback_rates) + 1)

    def stream_seeds(self, seed: int) -> dict[str, int]:
        """Return the seed of each stream; a run with the same seed index has other seeds."""
        from benchsuite.studies.linear_dynamics.simulate import stream_seeds

        return stream_seeds(seed)

    def run(self, rules: Mapping[str, type[Rule]], report: Report) -> LinearDynamicsResult:
        """Simulate every arm from every seed."""
        from benchsuite.studies.linear_dynamics.simulate import arms_of, simulate

        trajectories = []
        for seed in self.spec.seeds:
            for arm in arms_of(self.spec):
                trajectories.append(simulate(self.spec, seed, arm, rules))
                report(_step(trajectories[-1]))
        return LinearDynamicsResult(iterations=self.spec.measured_iterations, trajectories=tuple(trajectories))

    def problems(self, result: LinearDynamicsResult) -> list[str]:
        """Return missing trajectories and iterations other than the spec's."""
        rates: list[float | None] = [*self.spec.feedback_rates, None]
        expected = sorted((seed, str(rate)) for seed in self.spec.seeds for rate in rates)
        found = sorted((each.seed, str(each.feedback_rate)) for each in result.trajectories)
        problems = [] if found == expected else ["not one trajectory per seed and arm of the spec"]
        if result.iterations != self.spec.measured_iterations:
            problems.append("measured at other iterations than the spec's")
        layers = len(self.spec.dimensions) - 1
        if any(len(each.correlations) not in {0, layers} for each in result.trajectories):
            problems.append(f"correlations of another number of layers than {layers}")
        for place, each in enumerate(result.trajectories):
            if bool(each.reason) == (each.status == "completed"):
                problems.append(f"trajectories.{place}: {each.status} with reason {each.reason!r}")
            if each.correlations and each.feedback_rate is None:
                problems.append(f"trajectories.{place}: correlations of a rule without feedback weights")
        for seed in self.spec.seeds:
            # All rates start from zero weights and one target.
            starts = [t.squared_error[0] for t in result.trajectories if t.seed == seed and t.feedback_rate is not None]
            if starts and not math.isclose(min(starts), max(starts), rel_tol=1e-9):
                problems.append(f"seed {seed} starts from several errors, but its rates share target and weights")
        return problems

    def summarize(self, result: LinearDynamicsResult) -> StudySummary:
        """Return the final error and correlations of each arm over the seeds, and their curves."""
        from benchsuite.studies.linear_dynamics.summary import summary_of

        return summary_of(self.spec, result)


def _step(trajectory: Trajectory) -> StudyStep:
    error = trajectory.final_log10_squared_error
    value = f"log10 of the error {error:6.2f}" if error is not None else trajectory.reason
    return StudyStep(f"{trajectory.label:<33} seed {trajectory.seed}", f"{trajectory.status}  {value}")


@hookimpl
def benchsuite_studies() -> Sequence[type[Study[Any, Any]]]:
    """Return this kind of study."""
    return [LinearDynamicsStudy]
