"""Signs of the forward weights."""

from __future__ import annotations

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class PositiveWeightFraction(Diagnostic):
    """Share of positive weights: rules that broadcast an error may need a bias towards them (Clark et al. 2021)."""

    name = "positive_weight_fraction"
    summary = (
        "Share of positive weights among a segment's weights that are not zero: 0.5 for weights that favour no sign, 1 "
        "where all are positive; no data."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the share per segment; None if all weights are zero, or one is not finite."""
        shares: Measurement = {}
        for name, each in rule.network.maps.items():
            weight = each.weight.detach()
            present = int((weight != 0).sum())
            # NaN is neither zero nor positive, as if the weight were negative.
            defined = present > 0 and bool(weight.isfinite().all())
            shares[name] = float((weight > 0).sum()) / present if defined else None
        return shares


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostic of this module."""
    return [PositiveWeightFraction]
