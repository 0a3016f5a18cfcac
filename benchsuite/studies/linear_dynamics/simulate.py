"""Simulation of one trajectory of a ``linear_dynamics`` experiment: its arms, random streams and measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor

from benchsuite.credit import DrawnFeedbackConfig, ReplacedFeedbackRule
from benchsuite.errors import PluginError
from benchsuite.records.experiment import Trajectory
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.experiment import ExperimentSpec
from benchsuite.specs.seeds import derive_experiment_seeds
from benchsuite.studies.linear_dynamics.network import LinearDynamics, linear_network

LEARNED_FEEDBACK_RULE = "updated_random_feedback"
EXACT_RULE = "backprop"
RULES = (LEARNED_FEEDBACK_RULE, EXACT_RULE)


@dataclass(frozen=True)
class Arm:
    """One curve of the figure: a rule with its settings."""

    rule: str
    feedback_rate: float | None
    config: Mapping[str, Any]
    weight_standard_deviation: float | None
    """Of the initial weights; None for zero weights."""


def arms_of(spec: ExperimentSpec) -> list[Arm]:
    """Return the arms that are compared: one per ε in the spec's order, then backprop."""
    drawn = {"distribution": "normal", "standard_deviation": spec.feedback_standard_deviation}
    learned = [Arm(LEARNED_FEEDBACK_RULE, rate, {**drawn, "feedback_rate": rate}, None) for rate in spec.feedback_rates]
    return [*learned, Arm(EXACT_RULE, None, {}, spec.backprop_standard_deviation)]


def draw_target(spec: ExperimentSpec, generator: Generator) -> Tensor:
    """Return T^T, the product of one random matrix per layer, shape (inputs, outputs), float64."""
    factors = [
        torch.empty(rows, columns, dtype=torch.float64).normal_(0, spec.target_standard_deviation, generator=generator)
        for rows, columns in pairwise(spec.dimensions)
    ]
    return reduce(torch.matmul, factors)  # (inputs, outputs)


def simulate(spec: ExperimentSpec, seed: int, arm: Arm, registry: Registry) -> Trajectory:
    """Run one arm from one seed.

    Args:
        spec: the experiment.
        seed: the seed index.
        arm: from ``arms_of``.
        registry: provides the rule.

    Raises:
        PluginError: if the rule is not installed, or does not replace and draw feedback weights by its config.

    """
    streams = {name: Generator().manual_seed(value) for name, value in derive_experiment_seeds(seed).items()}
    target = draw_target(spec, streams["target"])
    network = linear_network(spec.dimensions, arm.weight_standard_deviation, streams["init"])
    rule_class = registry.rule(arm.rule)
    rule = rule_class(rule_class.Config(**arm.config))
    if not isinstance(rule, ReplacedFeedbackRule):
        raise PluginError(f"rule '{arm.rule}' has no replaced feedback weights to follow; this experiment needs them")
    rule.attach(network, streams["feedback"])
    first: Tensor | None = None
    if arm.feedback_rate is not None:
        if not isinstance(rule.config, DrawnFeedbackConfig):
            raise PluginError(
                f"rule '{arm.rule}' does not say how its feedback weights are drawn, which is needed here"
            )
        first = rule.config.draw(next(iter(network.maps.values())), streams["unused_feedback"])
    system = LinearDynamics(network, rule, target, spec.step_size, first, arm.feedback_rate or 0.0)
    return _measured(spec, seed, arm, system)


def _measured(spec: ExperimentSpec, seed: int, arm: Arm, system: LinearDynamics) -> Trajectory:
    errors: list[float] = []
    curves: list[tuple[float | None, ...]] = []
    done, reason = 0, ""
    for iteration in spec.measured_iterations:
        for _ in range(iteration - done):
            system.step()
        error = system.squared_error()
        if not math.isfinite(error):
            reason = f"the error stopped being a finite number in iterations {done + 1} to {iteration}"
            break
        done = iteration
        errors.append(error)
        curves.append(system.correlations())
    return Trajectory(
        seed=seed,
        rule=arm.rule,
        feedback_rate=arm.feedback_rate,
        status="diverged" if reason else "completed",
        reason=reason,
        squared_error=tuple(errors),
        correlations=tuple(zip(*curves, strict=True)),
    )
