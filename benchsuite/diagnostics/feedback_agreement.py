"""Agreement of a rule's feedback weights with the forward weights they replace; no data are used.

Angle and correlation are separate diagnostics because the papers' curves differ: only the correlation is centred.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import angle_deg
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class _FeedbackAgreement(Diagnostic):
    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the agreement per segment that passes credit on; None if it has no feedback weight."""
        network, feedback = rule.network, rule.feedback_weights
        return {
            name: self.compare(network.maps[name].weight.detach(), feedback[name].detach())
            if name in feedback
            else None
            for name in network.credit_senders
        }

    @abstractmethod
    def compare(self, weight: Tensor, feedback_weight: Tensor) -> float | None:
        """Return the agreement of two tensors of one shape, or None if undefined."""


class FeedbackAngle(_FeedbackAgreement):
    """The matrix angle of Akrout et al. 2019, Fig. 4."""

    name = "feedback_angle_deg"
    summary = (
        "Angle between a segment's forward and feedback weights, each taken as one vector: uncentred, no data; "
        "the matrix angle of weight mirrors and Kolen-Pollack."
    )

    def compare(self, weight: Tensor, feedback_weight: Tensor) -> float | None:
        """Return the angle; None if a tensor is all zero."""
        return angle_deg(weight, feedback_weight)


class FeedbackCorrelation(_FeedbackAgreement):
    """The weight alignment of Amit 2019 (URFB), Figs 10 and 11."""

    name = "feedback_correlation"
    summary = (
        "Pearson correlation between the entries of a segment's forward and feedback weights: both centred, zeros "
        "included, no data; the weight alignment of the URFB paper."
    )

    def compare(self, weight: Tensor, feedback_weight: Tensor) -> float | None:
        """Return the correlation, -1 to 1; None if a tensor is constant."""
        one, two = (t.flatten().double() for t in (weight, feedback_weight))
        norms = torch.stack([(t - t.mean()).norm() for t in (one, two)])
        # The mean of equal numbers may differ from them by rounding; the difference would look like a direction.
        varies = norms > 1e-12 * torch.stack([one.norm(), two.norm()])
        if not bool((varies & norms.isfinite()).all()):
            return None
        return float(((one - one.mean()) @ (two - two.mean()) / norms.prod()).clamp(-1, 1))


class EqualSignFraction(_FeedbackAgreement):
    """The degree of sign symmetry of a rule; 0.5 is chance."""

    name = "equal_sign_fraction"
    summary = (
        "Share of the connections present both ways, forward and feedback weight not zero, whose two weights have the "
        "same sign: 0.5 is chance, 1 is sign-symmetry; no data."
    )

    def compare(self, weight: Tensor, feedback_weight: Tensor) -> float | None:
        """Return the fraction; None if no connection is present both ways, or a weight is not finite."""
        # A zero has no sign. If zeros counted as unequal, independent masks would lower the chance level below 0.5.
        signs = weight.sign() * feedback_weight.sign()
        present = signs != 0
        count = int(present.sum())
        # torch.sign(nan) is zero, as if the connection were masked.
        if count == 0 or not bool((weight.isfinite() & feedback_weight.isfinite()).all()):
            return None
        return float((signs > 0).sum()) / count


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [FeedbackAngle, FeedbackCorrelation, EqualSignFraction]
