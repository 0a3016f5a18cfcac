"""Check what a rule takes: the work that it says, no more memory from step to step, and steps that can be captured."""

from __future__ import annotations

from itertools import pairwise

from benchsuite.conformance.kit.cases import deepest_of_each_form, only_where
from benchsuite.conformance.kit.counted_work import macs_of_step
from benchsuite.conformance.kit.settings import ConformanceSettings, batches, require
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.training.capturability import why_not_capturable
from benchsuite.training.kept_tensors import kept_by

_COUNTED_MAPS = {"ordinary": {"dense", "conv2d"}, "invertible": {"dense", "conv2d"}, "vectorized": {"dense"}}
"""Maps whose products torch's counter knows, by the network's form; others gather and sum, or share weights."""
_ROUNDS, _STEPS = 3, 2


class CostChecks(ConformanceSettings):
    """Checks on work and memory."""

    @only_where(
        lambda suite, sample: (
            sample.shapes.topology != "adopted"
            and {s.map_kind for s in sample.shapes.segments} <= _COUNTED_MAPS.get(sample.shapes.form, set())
        )
    )
    def test_takes_the_work_that_it_says(self, sample: SampleNetwork) -> None:
        """Catches plans that are a multiple of what a run takes, and runs that take a multiple of their plan."""
        trial = self.start(sample).train(batches(sample, 1))
        batch = sample.batch(1)
        examples, shapes = len(batch.targets), sample.shapes
        work = self.rule.credit_work(trial.rule.config, shapes)
        trained = shapes.segments if self.rule.traits.trains_hidden else shapes.segments[-1:]
        own = sum(s.macs for s in shapes.segments) + sum(s.macs for s in trained)  # per example
        per_example = work.per_example + examples * work.per_pair
        planned = examples * (own + per_example) + work.per_step
        taken = macs_of_step(trial, batch)
        require(
            planned / self.work_tolerance <= taken <= planned * self.work_tolerance,
            asks=f"credit_work within a factor of {self.work_tolerance} of the products that a step makes: per_example "
            "and per_step beside the forward pass and the weight gradients, which the suite counts itself",
            seen=f"a step of {examples} examples takes {taken:,.0f} multiply-accumulates, planned are {planned:,.0f} "
            f"({examples} × ({own:,} + {per_example:,.0f}) + {work.per_step:,.0f})",
            remedy="count the products of assign_credit and after_update from the shapes, or set work_tolerance",
        )

    # Of each form the deepest network; what a PyTorch module that was adopted does in its own code is not the rule's.
    @only_where(lambda suite, sample: sample.name in deepest_of_each_form(suite.compatible()))
    def test_its_step_can_be_captured(self, sample: SampleNetwork) -> None:
        """Catches steps that a CUDA graph would refuse, or that replayed would read what is no longer there."""
        trial = self.start(sample).train(batches(sample, _STEPS))
        batch = sample.batch(_STEPS)

        def step() -> None:
            trial.compute_gradients(batch)
            trial.rule.after_update()

        reasons = why_not_capturable(trial.rule, step, [trial.dropout])
        if self.not_capturable:
            require(
                bool(reasons),
                asks=f"a step that cannot be captured, because {self.not_capturable}",
                seen="a step that can be",
                remedy="remove not_capturable",
            )
            return
        require(
            not reasons,
            asks="a step that can be recorded once and replayed: the same operations on the same memory",
            seen=reasons,
            remedy="mend the lines named; or set not_capturable to the reason why the rule cannot do without",
        )

    # One network of each form will do: what is kept has nothing to do with kinds of maps.
    @only_where(lambda suite, sample: sample.name in deepest_of_each_form(suite.compatible()))
    def test_keeps_no_more_from_step_to_step(self, sample: SampleNetwork) -> None:
        """Catches a list that grows in every step and a graph that is never let go: a long run ends out of memory."""
        trial = self.start(sample).train(batches(sample, _STEPS))
        sizes = [kept_by(trial.rule)]
        for _ in range(_ROUNDS):
            trial.train(batches(sample, _STEPS))
            sizes.append(kept_by(trial.rule))
        require(
            not all(later.grown_since(earlier) for earlier, later in pairwise(sizes)),
            asks=f"what a rule keeps stays the same in size (measured after every {_STEPS} steps)",
            seen=[str(size) for size in sizes],
            remedy="keep a running value, or a tensor of a fixed size, instead of a list; detach() what is kept",
        )
