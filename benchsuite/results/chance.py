"""Chance level of a classification task, and whether a mean test error is near it."""

from __future__ import annotations

from benchsuite.results.model import RuleRow, TrackTable

NEAR_CHANCE = 0.9
"""An error of at least this share of the error of guessing is marked as near chance."""


def chance_error(classes: int | None) -> float | None:
    """Return the test error of guessing among equally frequent classes; None if their number is not known."""
    return None if classes is None or classes < 2 else 1 - 1 / classes


def is_near_chance(row: RuleRow, table: TrackTable) -> bool:
    """Return True if a row's mean test error is near the error of guessing, or above it."""
    chance = chance_error(table.classes)
    return chance is not None and row.test_error is not None and row.test_error.mean >= NEAR_CHANCE * chance
