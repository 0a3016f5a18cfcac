"""Simulation of one trajectory of a ``linear_dynamics`` study: its arms, random streams and measurements."""

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
from benchsuite.credit.rule import Rule
from benchsuite.errors import PluginError
from benchsuite.studies.linear_dynamics.network import LinearDynamics, linear_network
from benchsuite.studies.linear_dynamics.result import Trajectory
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec
from benchsuite.studies.linear_dynamics.study import EXACT_RULE, LEARNED_FEEDBACK_RULE
from benchsuite.training.seeds import derive_seed

STREAMS = ("target", "init", "feedback", "unused_feedback")


@dataclass(frozen=True)
class Arm:
    """One curve of the figure: a rule with its settings."""

    rule: str
    feedback_rate: float | None
    config: Mapping[str, Any]
    weight_standard_deviation: float | None
    """Of the initial weights; None for zero weights."""


def arms_of(spec: LinearDynamicsSpec) -> list[Arm]:
    """Return the arms that are compared: one per ε in the spec's order, then backprop."""
    drawn = {"distribution": "normal", "standard_deviation": spec.feedback_standard_deviation}
    learned = [Arm(LEARNED_FEEDBACK_RULE, rate, {**drawn, "feedback_rate": rate}, None) for rate in spec.feedback_rates]
    return [*learned, Arm(EXACT_RULE, None, {}, spec.backprop_standard_deviation)]


def stream_seeds(seed: int) -> dict[str, int]:
    """Return the seed of each stream; a run with the same seed index has other seeds."""
    return {stream: derive_seed(f"linear_dynamics/{stream}", seed) for stream in STREAMS}


def draw_target(spec: LinearDynamicsSpec, generator: Generator) -> Tensor:
    """Return T^T, the product of one random matrix per layer, shape (inputs, outputs), float64."""
    factors = [
        torch.empty(rows, columns, dtype=torch.float64).normal_(0, spec.target_standard_deviation, generator=generator)
        for rows, columns in pairwise(spec.dimensions)
    ]
    return reduce(torch.matmul, factors)  # (inputs, outputs)


def simulate(spec: LinearDynamicsSpec, seed: int, arm: Arm, rules: Mapping[str, type[Rule]]) -> Trajectory:
    """Run one arm from one seed.

    Args:
        spec: the study.
        seed: the seed index.
        arm: from ``arms_of``.
        rules: classes of the rules by name.

    Raises:
        PluginError: if the rule does not replace and draw feedback weights by its config.

    """
    streams = {name: Generator().manual_seed(value) for name, value in stream_seeds(seed).items()}
    target = draw_target(spec, streams["target"])
    network = linear_network(spec.dimensions, arm.weight_standard_deviation, streams["init"])
    rule_class = rules[arm.rule]
    rule = rule_class(rule_class.Config(**arm.config))
    if not isinstance(rule, ReplacedFeedbackRule):
        raise PluginError(f"rule '{arm.rule}' has no replaced feedback weights to follow; this study needs them")
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


def _measured(spec: LinearDynamicsSpec, seed: int, arm: Arm, system: LinearDynamics) -> Trajectory:
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
