"""Work of a rule, for ``benchsuite plan``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreditWork:
    """Work of credit in addition to the forward pass and the weight gradients, for ``benchsuite plan``.

    Attributes:
        per_example: macs per example of a batch.
        per_pair: macs per pair of examples of a batch, for rules that compare examples with each other.
        per_step: macs per step, independent of the batch size.
        state_numel: elements kept between steps: feedback weights.
        own_parameters: number of the rule's own parameters that learn; the optimizer keeps its state for them too.
        workspace_numel: elements alive within a step, independent of the batch size: factors of matrices, gradients of
            feedback weights.
        workspace_numel_per_example: elements alive within a step per example, without the forward activations.

    """

    per_example: float = 0.0
    per_pair: float = 0.0
    per_step: float = 0.0
    state_numel: float = 0.0
    own_parameters: float = 0.0
    workspace_numel: float = 0.0
    workspace_numel_per_example: float = 0.0
