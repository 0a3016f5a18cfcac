"""The contract of a diagnostic: given a rule and a fixed batch, numbers per segment.

A diagnostic must leave everything as it found it: weights, gradients, feedback weights, random streams, running
averages. The harness calls it in evaluation mode, so that dropout draws nothing and batch norm updates nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from benchsuite.credit.rule import Batch, Rule

Measurement = dict[str | None, float | None]
"""By segment name (None for the network as a whole); a value of None is undefined there, not zero."""


class Diagnostic(ABC):
    """One measurement; ``name`` says quantity and, where there is one, unit: ``credit_angle_deg``."""

    name: ClassVar[str]
    """What specs, records and pages call it; ends in its unit if it has one."""
    summary: ClassVar[str]
    """One sentence for readers: what is compared with what, with or without the derivative, averaged how."""
    only_at_ends: ClassVar[bool] = False
    """Whether it is too expensive to follow: the harness then measures before training and at its end alone."""

    @abstractmethod
    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the numbers for one fixed batch.

        Args:
            rule: attached; its network is in evaluation mode and its gradients are None.
            batch: the fixed batch of the diagnostics spec.

        """
