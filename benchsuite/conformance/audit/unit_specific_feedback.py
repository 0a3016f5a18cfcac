"""Test if feedback is specific to the units of a segment.

Credit at a segment's output is recorded for every target in turn, with the same activities and the same noise of the
rule. If one number is fed back to all units, credit has rank one: a pattern over units that does not depend on the
error, times that number. The pattern may be the units' own gates, equal wherever they are not zero, or the units' own
noise, which differs at every draw. Any other pattern comes from feedback weights. Vector units may get one vector in
place of a number, the error itself; or a number, with a pattern over their components.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest
from benchsuite.conformance.samples import SampleNetwork, Trial
from benchsuite.diagnostics.observe import assigned_credit, with_components
from benchsuite.errors import InconclusiveError
from benchsuite.records.audit import Observation

DRAWS = 4
_EXAMPLES = 32
_ROUNDING = 1e-9


def observe(make_rule: MakeRule, sample: SampleNetwork) -> Observation | None:
    """Return the largest specificity of a hidden segment's credit; zero where no hidden segment gets any."""
    trial = Trial.start(make_rule(), sample, dtype=torch.float64)
    batch = sample.batch(0, size=_EXAMPLES, dtype=torch.float64)
    hidden = trial.network.hidden
    trained = {trial.segment_of(name) for name in trial.gradients(batch)}.intersection(hidden)
    draws = [_credit_by_target(trial, sample) for _ in range(DRAWS)]
    unseen = [name for name in hidden if name in trained and name not in draws[0]]
    if unseen:
        raise InconclusiveError(
            f"{', '.join(unseen)} got gradients, but their credit was not seen; form them through autograd or "
            "Tape.assign"
        )
    values = {name: _least_specificity([draw[name] for draw in draws]) for name in hidden if name in draws[0]}
    return largest(sample, {**dict.fromkeys(hidden, 0.0), **values})


def _credit_by_target(trial: Trial, sample: SampleNetwork) -> dict[str, Tensor]:
    """Return credit by segment for one draw of the rule's noise, shape (batch, units, K, targets)."""
    rule, network = trial.rule, trial.network
    batch = sample.batch(0, size=_EXAMPLES, dtype=torch.float64)
    # In evaluation mode a rule's noise is the same every time; a step in training mode draws new noise.
    network.eval()
    rule.eval()
    recorded: dict[str, list[Tensor]] = {}
    for shift in range(sample.classes):
        shifted = replace(batch, targets=(batch.targets + shift) % sample.classes)
        for name, credit in with_components(assigned_credit(rule, shifted, "output"), network, shifted).items():
            components = network.shapes.components if network.is_vectorized else 1
            recorded.setdefault(name, []).append(credit.reshape(len(credit), components, -1).transpose(1, 2))
    network.train()
    rule.train()
    with network.untracked():
        trial.gradients(batch)
    return {name: torch.stack(columns, dim=3) for name, columns in recorded.items()}


def _least_specificity(draws: list[Tensor]) -> float:
    """Return the lower of two specificities: with one vector fed back, and with one number fed back."""
    return min(
        specificity([credit.flatten(2) for credit in draws]),
        specificity([credit.flatten(1, 2) for credit in draws]),
    )


def specificity(draws: list[Tensor]) -> float:
    """Return the specificity of credit, from 0 to 1: how far feedback distinguishes units.

    One if the error reaches units in more than one pattern. Zero if the one pattern is the same for all units that get
    any credit. Else the share of the pattern that recurs in other draws, for the same example or for all. That is one
    for feedback weights. For a unit's own noise it is about (1 + √(units / patterns))² / units, the largest eigenvalue
    of that many random directions: 0.2 for 8 units, the fewest in a sample network.

    Args:
        draws: for each draw of the rule's noise, credit of shape (batch, units, errors).

    """
    patterns = []
    for credit in draws:
        alive = credit.flatten(1).norm(dim=1) > 0
        directions, sizes, _ = torch.linalg.svd(credit[alive], full_matrices=False)
        if bool((sizes[:, 1:].square().sum(1) > _ROUNDING * sizes[:, 0].square()).any()):
            return 1.0
        pattern = credit.new_zeros(credit.shape[:2])
        pattern[alive] = directions[:, :, 0]
        patterns.append(pattern)
    if all(_is_uniform(pattern) for pattern in patterns):
        return 0.0
    stacked = torch.stack(patterns)
    again = (stacked[1:] * stacked[:-1]).sum(2).square().mean()
    together = stacked.flatten(0, 1)
    in_common = torch.linalg.matrix_norm(together, 2).square() / len(together)
    return float(torch.maximum(again, in_common).clamp(max=1.0))


def _is_uniform(patterns: Tensor) -> bool:
    """Return True if every pattern is the same for all units at which it is not zero."""
    on = patterns.abs() > _ROUNDING
    mean = (patterns * on).sum(1, keepdim=True) / on.sum(1, keepdim=True).clamp(min=1)
    return bool(((patterns - mean).abs() * on <= _ROUNDING).all())


UNIT_SPECIFIC_FEEDBACK = TraitTest(
    trait="unit_specific_feedback",
    measure="how far credit tells units of a hidden segment apart by what is fed back: 1 if the error comes in several "
    "patterns, else the share of its one pattern that is neither the same for all units nor fresh noise",
    threshold=0.35,
    above=True,
    weaker=True,
    observe=observe,
    not_applicable=lambda traits: "" if traits.has_credit else "no output error is fed back (traits.has_credit=False)",
)
