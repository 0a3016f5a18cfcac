"""The interface of a diagnostic: it returns numbers per segment for a rule and a fixed batch.

A diagnostic must not change any state: weights, gradients, feedback weights, random streams, running averages. The
harness calls it in evaluation mode, so that dropout draws nothing and batch norm updates nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule

Measurement = dict[str | None, float | None]
"""Numbers by segment name (None for the network as a whole); a value of None means undefined, not zero."""


class Diagnostic(ABC):
    """One measurement; ``name`` gives the quantity and its unit, if it has one: ``credit_angle_deg``."""

    name: ClassVar[str]
    """Name in specs, records and pages; ends in the unit if there is one."""
    summary: ClassVar[str]
    """One sentence for readers: what is compared, with or without the derivative, and how it is averaged."""
    only_at_ends: ClassVar[bool] = False
    """True if it is too expensive to repeat: the harness then measures only before training and at its end."""

    @abstractmethod
    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the numbers for one fixed batch.

        Args:
            rule: a rule attached to its network, which is in evaluation mode with gradients of None.
            batch: the fixed batch of the diagnostics spec.

        """
