"""Distance of the quick tier from the paper tier: the baseline's test error at both, with the same settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.results.grouping import plain
from benchsuite.results.model import BASELINE_RULE, Estimate, RuleRow, TrackTable

QUICK, PAPER = "quick", "paper"


@dataclass(frozen=True)
class TierCloseness:
    """The baseline's test error at the quick and at the paper tier."""

    label: str
    """The row's name at the quick tier."""
    quick: Estimate
    paper: Estimate

    @property
    def difference(self) -> float:
        """Return the quick tier's mean minus the paper tier's."""
        return self.quick.mean - self.paper.mean


def tier_closeness(tables: Sequence[TrackTable]) -> dict[str, TierCloseness]:
    """Return the closeness of each quick table of a track by its id; none where the paper tier was not run.

    A pair of rows has the same network, settings and data, up to the amount of training and evaluation. Of several, the
    best at the paper tier counts, by whose error nobody has chosen a setting of the quick tier.

    Args:
        tables: tables with their runs' records.

    """
    found: dict[str, TierCloseness] = {}
    for table in tables:
        others = [o for o in tables if (o.track, o.tier) == (table.track, PAPER) and table.tier == QUICK]
        pairs = [
            TierCloseness(row.label, row.test_error, other.test_error)
            for same in others
            if (same.architecture, same.fingerprint) == (table.architecture, table.fingerprint)
            for row, settings in _baselines(table.rows)
            for other, others_settings in _baselines(same.rows)
            if settings == others_settings and row.test_error and other.test_error
        ]
        if pairs:
            found[table.table_id] = min(pairs, key=lambda pair: (pair.paper.mean, pair.label))
    return found


def _baselines(rows: Iterable[RuleRow]) -> list[tuple[RuleRow, dict[str, Any]]]:
    """Return the baseline's complete rows, each with its settings without the amount of training."""
    amount = {"epochs", "evaluation", "timeout_s"}
    found = []
    for row in rows:
        spec = next((run.record.spec for run in row.runs if run.record), None)
        if spec is None or row.rule != BASELINE_RULE or not row.complete:
            continue
        protocol = {name: value for name, value in plain(spec.protocol).items() if name not in amount}
        found.append((row, {"protocol": protocol, "config": dict(row.config), "pretraining": plain(spec.pretraining)}))
    return found
