"""Checks of a row beside its controls: what a rule gains from training its hidden segments, or the lower half."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchsuite.results.baseline import partner_of
from benchsuite.results.model import READOUT_RULE, ValidityCheck
from benchsuite.results.row_records import RowRecords
from benchsuite.results.statistics import paired_difference
from benchsuite.results.validity import NOT_MEASURED, Validity, checks_of_records, minority_angles
from benchsuite.specs.models.validity import ValiditySpec

OVER_READOUT, OVER_FROZEN = "gain over the readout alone", "gain over a frozen lower half"

CHECKS = (*(check.name for check in checks_of_records((), ValiditySpec())), OVER_READOUT, OVER_FROZEN)
"""Names of all checks, in their order."""


def validity_of(
    row: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any], validity: Validity
) -> tuple[ValidityCheck, ...]:
    """Return all checks of a row: those of its own records, and those that compare it with its controls."""
    thresholds = validity.of(row.first.spec.track)
    return (
        *checks_of_records(row.latest, thresholds, validity.claims_backprop.get(row.first.spec.rule.name)),
        *depth_checks(row, table_records, usual, thresholds.depth_gain),
    )


def notes_on_angles(row: RowRecords, validity: Validity) -> tuple[str, ...]:
    """Return a sentence for each segment of a row whose angles are over few examples."""
    return minority_angles(row.latest, validity.of(row.first.spec.track))


def depth_checks(
    row: RowRecords, table_records: Sequence[RowRecords], usual: dict[str, Any], least: float
) -> tuple[ValidityCheck, ...]:
    """Return the checks of depth: test error that a row saves, paired by seed, against each of its two controls.

    Args:
        row: the records of the row; a control itself has no such checks.
        table_records: the records of all rows of the table.
        usual: the protocol that most rows have.
        least: the least gain, as a fraction.

    """
    spec = row.first.spec
    if spec.rule.name == READOUT_RULE or spec.protocol.frozen != "none":
        return ()
    seeds = max(row.latest, key=lambda record: record.spec.seed).spec.seed + 1
    command = f"benchsuite run {spec.track} --tier {spec.tier} --seeds {seeds} --rules"
    frozen = f"{command} {_rule_and_settings(row)} --set protocol.frozen=lower_half"
    readout = partner_of(row, table_records, usual, READOUT_RULE)
    return (
        _check(OVER_READOUT, row, readout, least, f"{command} {READOUT_RULE}"),
        _check(OVER_FROZEN, row, _frozen_twin(row, table_records), least, frozen),
    )


def _rule_and_settings(row: RowRecords) -> str:
    """Return what follows ``--rules`` in the command of a row: its rule and the settings of its own runs.

    Their command names no variant. One without settings is of the track's own, or of a variant in an older record.
    """
    try:
        words = shlex.split(row.first.command)
    except ValueError:  # a record's command is any text
        words = []
    settings = [value for option, value in pairwise(words) if option == "--set"]
    if not settings:
        return shlex.quote(row.name)
    return shlex.join([row.first.spec.rule.name, *(word for value in settings for word in ("--set", value))])


def _frozen_twin(row: RowRecords, table_records: Sequence[RowRecords]) -> RowRecords | None:
    """Return the row of the same rule, settings and machine whose lower half is frozen; nothing else may differ."""

    def settings(of: RowRecords) -> tuple[Any, ...]:
        rule = of.first.spec.rule
        protocol = {name: value for name, value in of.protocol.items() if name != "frozen"}
        machine = of.conditions["hardware class"], of.conditions["precision"]
        return rule.name, dict(rule.config), protocol, machine

    wanted = settings(row)
    twins = (other for other in table_records if other.first.spec.protocol.frozen == "lower_half" and other.counted)
    return next((other for other in twins if settings(other) == wanted), None)


def _check(name: str, row: RowRecords, control: RowRecords | None, least: float, command: str) -> ValidityCheck:
    saved = None if control is None else paired_difference(control.test_errors, row.test_errors)
    if saved is None:
        return ValidityCheck(name, NOT_MEASURED, "open", None, None, f"runs that would tell: {command}")
    pairs = f"{saved.n} paired seed{'s' if saved.n > 1 else ''}"
    if saved.low is None or saved.high is None:
        return ValidityCheck(name, "too few seeds", "open", saved.mean, least, f"only {pairs}; {command}")
    why = f"test error saved, 95 % interval {100 * saved.low:.2f} to {100 * saved.high:.2f} points, {pairs}"
    if saved.low > least:
        return ValidityCheck(name, "learns in depth", "passed", saved.mean, least, why)
    word = "no gain from hidden segments" if name == OVER_READOUT else "no gain from the lower half"
    return ValidityCheck(name, word, "failed", saved.mean, least, why)
